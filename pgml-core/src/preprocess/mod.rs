//! Preprocessing: what the user asks for, how it is learnt from the training rows, and how it is applied.
//!
//! The order is encode → impute → scale. Everything is learnt from training rows alone, stored in the
//! [`Schema`](crate::Schema), and applied by the same [`Step`]s when training and when predicting.
//!
//! | encode | what the model sees |
//! |---|---|
//! | `native` | the category's code: 0 for NULL, then 1, 2, … in sorted order; a category that training never saw is missing |
//! | `target` | the mean of the first label over the training rows of the category (for classes: of the number that `predict` returns); for a category that training never saw, the mean over all training rows |
//! | `one_hot` | a 0/1 feature per category of the training rows, NULL included, except the last; a category that training never saw is 0 in all |
//! | `ordinal` | the position in the list, from 1; NULL is 0 |

mod categories;
mod fit;
mod settings;
mod step;

pub use categories::{CategoricalColumn, NULL_CATEGORY, category_key};
pub use fit::{column_steps, fit_column};
pub use settings::{ColumnSettings, Encode, Impute, Preprocessor, Role, Scale, Settings, check_preprocessor};
pub use step::Step;
