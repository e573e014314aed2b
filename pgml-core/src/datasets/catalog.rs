//! What the built-in data sets are called and made of.

use super::{BuiltIn, ColumnDef};

/// Every built-in data set, by name.
pub static ALL: &[&BuiltIn] = &[&BREAST_CANCER, &DIABETES, &DIGITS, &IRIS, &LINNERUD, &WINE];

const fn real(name: &'static str) -> ColumnDef {
    ColumnDef { name, sql_type: "real", shape: &[] }
}

const fn integer(name: &'static str) -> ColumnDef {
    ColumnDef { name, sql_type: "integer", shape: &[] }
}

static BREAST_CANCER: BuiltIn = BuiltIn {
    name: "breast_cancer",
    description: "Measurements of cell nuclei in 569 breast tumours, and whether each is malignant.",
    source: "Wolberg, Mangasarian, Street, Street 1995, Breast Cancer Wisconsin (Diagnostic), UCI Machine \
             Learning Repository, CC BY 4.0; values as in scikit-learn's `load_breast_cancer`, whose target 0 is \
             malignant.",
    columns: &[
        real("mean radius"),
        real("mean texture"),
        real("mean perimeter"),
        real("mean area"),
        real("mean smoothness"),
        real("mean compactness"),
        real("mean concavity"),
        real("mean concave points"),
        real("mean symmetry"),
        real("mean fractal dimension"),
        real("radius error"),
        real("texture error"),
        real("perimeter error"),
        real("area error"),
        real("smoothness error"),
        real("compactness error"),
        real("concavity error"),
        real("concave points error"),
        real("symmetry error"),
        real("fractal dimension error"),
        real("worst radius"),
        real("worst texture"),
        real("worst perimeter"),
        real("worst area"),
        real("worst smoothness"),
        real("worst compactness"),
        real("worst concavity"),
        real("worst concave points"),
        real("worst symmetry"),
        real("worst fractal dimension"),
        ColumnDef { name: "malignant", sql_type: "boolean", shape: &[] },
    ],
    labels: &["malignant"],
    csv: include_str!("../../data/breast_cancer.csv"),
};

static DIABETES: BuiltIn = BuiltIn {
    name: "diabetes",
    description: "Ten baseline measurements of 442 diabetes patients, and how far the disease had come a year later.",
    source: "Efron, Hastie, Johnstone, Tibshirani 2004, Least Angle Regression; values as in scikit-learn's \
             `load_diabetes(scaled=False)`.",
    columns: &[
        real("age"),
        real("sex"),
        real("bmi"),
        real("bp"),
        real("s1"),
        real("s2"),
        real("s3"),
        real("s4"),
        real("s5"),
        real("s6"),
        real("target"),
    ],
    labels: &["target"],
    csv: include_str!("../../data/diabetes.csv"),
};

static DIGITS: BuiltIn = BuiltIn {
    name: "digits",
    description: "Images of 1797 handwritten digits, 8 × 8 pixels from 0 (white) to 16 (black), and which digit each is.",
    source: "Alpaydin, Kaynak 1998, Optical Recognition of Handwritten Digits (its test part), UCI Machine \
             Learning Repository, CC BY 4.0; values as in scikit-learn's `load_digits`.",
    columns: &[
        ColumnDef { name: "image", sql_type: "smallint[][]", shape: &[8, 8] },
        ColumnDef { name: "target", sql_type: "smallint", shape: &[] },
    ],
    labels: &["target"],
    csv: include_str!("../../data/digits.csv"),
};

static IRIS: BuiltIn = BuiltIn {
    name: "iris",
    description: "Sepals and petals of 150 irises in centimetres, and their species: 0 setosa, 1 versicolor, 2 virginica.",
    source: "Fisher 1936, The use of multiple measurements in taxonomic problems; values as in scikit-learn's \
             `load_iris`, which follows the paper.",
    columns: &[real("sepal_length"), real("sepal_width"), real("petal_length"), real("petal_width"), integer("target")],
    labels: &["target"],
    csv: include_str!("../../data/iris.csv"),
};

static LINNERUD: BuiltIn = BuiltIn {
    name: "linnerud",
    description: "Three exercises and three body measurements of twenty men in a fitness club.",
    source: "Tenenhaus 1998, La régression PLS; values as in scikit-learn's `load_linnerud`, whose targets are \
             weight, waist and pulse.",
    columns: &[real("chins"), real("situps"), real("jumps"), real("weight"), real("waist"), real("pulse")],
    labels: &["weight", "waist", "pulse"],
    csv: include_str!("../../data/linnerud.csv"),
};

static WINE: BuiltIn = BuiltIn {
    name: "wine",
    description: "Chemical analyses of 178 Italian wines, and which of three growers made each.",
    source: "Aeberhard, Forina 1992, Wine, UCI Machine Learning Repository, CC BY 4.0; values as in scikit- \
             learn's `load_wine`, with `hue` before `color_intensity`.",
    columns: &[
        real("alcohol"),
        real("malic_acid"),
        real("ash"),
        real("alcalinity_of_ash"),
        real("magnesium"),
        real("total_phenols"),
        real("flavanoids"),
        real("nonflavanoid_phenols"),
        real("proanthocyanins"),
        real("hue"),
        real("color_intensity"),
        real("od280/od315_of_diluted_wines"),
        real("proline"),
        integer("target"),
    ],
    labels: &["target"],
    csv: include_str!("../../data/wine.csv"),
};
