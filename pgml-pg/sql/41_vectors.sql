-- Vector arithmetic. The names of the arguments are PostgresML's, which called the divisor a dividend. Vectors of
-- different lengths and NULL elements are errors; division by zero gives infinity or NaN.

CREATE FUNCTION pgml.add(vector real[], addend real) RETURNS real[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'add_scalar_s_wrapper';
COMMENT ON FUNCTION pgml.add(real[], real) IS 'Adds a number to each element of a vector';

CREATE FUNCTION pgml.add(vector double precision[], addend double precision) RETURNS double precision[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'add_scalar_d_wrapper';
COMMENT ON FUNCTION pgml.add(double precision[], double precision) IS 'Adds a number to each element of a vector';

CREATE FUNCTION pgml.add(vector real[], addend real[]) RETURNS real[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'add_vector_s_wrapper';
COMMENT ON FUNCTION pgml.add(real[], real[]) IS 'Adds two vectors element by element';

CREATE FUNCTION pgml.add(vector double precision[], addend double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'add_vector_d_wrapper';
COMMENT ON FUNCTION pgml.add(double precision[], double precision[]) IS 'Adds two vectors element by element';

CREATE FUNCTION pgml.subtract(vector real[], subtahend real) RETURNS real[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'subtract_scalar_s_wrapper';
COMMENT ON FUNCTION pgml.subtract(real[], real) IS 'Subtracts a number from each element of a vector';

CREATE FUNCTION pgml.subtract(vector double precision[], subtahend double precision) RETURNS double precision[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'subtract_scalar_d_wrapper';
COMMENT ON FUNCTION pgml.subtract(double precision[], double precision) IS 'Subtracts a number from each element of a vector';

CREATE FUNCTION pgml.subtract(vector real[], subtahend real[]) RETURNS real[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'subtract_vector_s_wrapper';
COMMENT ON FUNCTION pgml.subtract(real[], real[]) IS 'Subtracts the second vector from the first, element by element';

CREATE FUNCTION pgml.subtract(vector double precision[], subtahend double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'subtract_vector_d_wrapper';
COMMENT ON FUNCTION pgml.subtract(double precision[], double precision[]) IS 'Subtracts the second vector from the first, element by element';

CREATE FUNCTION pgml.multiply(vector real[], multiplicand real) RETURNS real[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'multiply_scalar_s_wrapper';
COMMENT ON FUNCTION pgml.multiply(real[], real) IS 'Multiplies each element of a vector by a number';

CREATE FUNCTION pgml.multiply(vector double precision[], multiplicand double precision) RETURNS double precision[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'multiply_scalar_d_wrapper';
COMMENT ON FUNCTION pgml.multiply(double precision[], double precision) IS 'Multiplies each element of a vector by a number';

CREATE FUNCTION pgml.multiply(vector real[], multiplicand real[]) RETURNS real[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'multiply_vector_s_wrapper';
COMMENT ON FUNCTION pgml.multiply(real[], real[]) IS 'Multiplies two vectors element by element';

CREATE FUNCTION pgml.multiply(vector double precision[], multiplicand double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'multiply_vector_d_wrapper';
COMMENT ON FUNCTION pgml.multiply(double precision[], double precision[]) IS 'Multiplies two vectors element by element';

CREATE FUNCTION pgml.divide(vector real[], dividend real) RETURNS real[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'divide_scalar_s_wrapper';
COMMENT ON FUNCTION pgml.divide(real[], real) IS 'Divides each element of a vector by a number';

CREATE FUNCTION pgml.divide(vector double precision[], dividend double precision) RETURNS double precision[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'divide_scalar_d_wrapper';
COMMENT ON FUNCTION pgml.divide(double precision[], double precision) IS 'Divides each element of a vector by a number';

CREATE FUNCTION pgml.divide(vector real[], dividend real[]) RETURNS real[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'divide_vector_s_wrapper';
COMMENT ON FUNCTION pgml.divide(real[], real[]) IS 'Divides the first vector by the second, element by element';

CREATE FUNCTION pgml.divide(vector double precision[], dividend double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'divide_vector_d_wrapper';
COMMENT ON FUNCTION pgml.divide(double precision[], double precision[]) IS 'Divides the first vector by the second, element by element';

CREATE FUNCTION pgml.norm_l0(vector real[]) RETURNS real
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'norm_l0_s_wrapper';
COMMENT ON FUNCTION pgml.norm_l0(real[]) IS 'Number of elements of a vector that are not zero';

CREATE FUNCTION pgml.norm_l0(vector double precision[]) RETURNS double precision
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'norm_l0_d_wrapper';
COMMENT ON FUNCTION pgml.norm_l0(double precision[]) IS 'Number of elements of a vector that are not zero';

CREATE FUNCTION pgml.norm_l1(vector real[]) RETURNS real
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'norm_l1_s_wrapper';
COMMENT ON FUNCTION pgml.norm_l1(real[]) IS 'Sum of the absolute values of a vector';

CREATE FUNCTION pgml.norm_l1(vector double precision[]) RETURNS double precision
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'norm_l1_d_wrapper';
COMMENT ON FUNCTION pgml.norm_l1(double precision[]) IS 'Sum of the absolute values of a vector';

CREATE FUNCTION pgml.norm_l2(vector real[]) RETURNS real
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'norm_l2_s_wrapper';
COMMENT ON FUNCTION pgml.norm_l2(real[]) IS 'Euclidean length of a vector';

CREATE FUNCTION pgml.norm_l2(vector double precision[]) RETURNS double precision
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'norm_l2_d_wrapper';
COMMENT ON FUNCTION pgml.norm_l2(double precision[]) IS 'Euclidean length of a vector';

CREATE FUNCTION pgml.norm_max(vector real[]) RETURNS real
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'norm_max_s_wrapper';
COMMENT ON FUNCTION pgml.norm_max(real[]) IS 'Largest absolute value of a vector';

CREATE FUNCTION pgml.norm_max(vector double precision[]) RETURNS double precision
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'norm_max_d_wrapper';
COMMENT ON FUNCTION pgml.norm_max(double precision[]) IS 'Largest absolute value of a vector';

CREATE FUNCTION pgml.normalize_l1(vector real[]) RETURNS real[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'normalize_l1_s_wrapper';
COMMENT ON FUNCTION pgml.normalize_l1(real[]) IS 'Divides each element of a vector by its norm_l1';

CREATE FUNCTION pgml.normalize_l1(vector double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'normalize_l1_d_wrapper';
COMMENT ON FUNCTION pgml.normalize_l1(double precision[]) IS 'Divides each element of a vector by its norm_l1';

CREATE FUNCTION pgml.normalize_l2(vector real[]) RETURNS real[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'normalize_l2_s_wrapper';
COMMENT ON FUNCTION pgml.normalize_l2(real[]) IS 'Divides each element of a vector by its Euclidean length';

CREATE FUNCTION pgml.normalize_l2(vector double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'normalize_l2_d_wrapper';
COMMENT ON FUNCTION pgml.normalize_l2(double precision[]) IS 'Divides each element of a vector by its Euclidean length';

CREATE FUNCTION pgml.normalize_max(vector real[]) RETURNS real[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'normalize_max_s_wrapper';
COMMENT ON FUNCTION pgml.normalize_max(real[]) IS 'Divides each element of a vector by its norm_max';

CREATE FUNCTION pgml.normalize_max(vector double precision[]) RETURNS double precision[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'normalize_max_d_wrapper';
COMMENT ON FUNCTION pgml.normalize_max(double precision[]) IS 'Divides each element of a vector by its norm_max';

CREATE FUNCTION pgml.distance_l1(vector real[], other real[]) RETURNS real
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'distance_l1_s_wrapper';
COMMENT ON FUNCTION pgml.distance_l1(real[], real[]) IS 'Sum of the absolute differences of two vectors';

CREATE FUNCTION pgml.distance_l1(vector double precision[], other double precision[]) RETURNS double precision
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'distance_l1_d_wrapper';
COMMENT ON FUNCTION pgml.distance_l1(double precision[], double precision[]) IS 'Sum of the absolute differences of two vectors';

CREATE FUNCTION pgml.distance_l2(vector real[], other real[]) RETURNS real
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'distance_l2_s_wrapper';
COMMENT ON FUNCTION pgml.distance_l2(real[], real[]) IS 'Euclidean distance of two vectors';

CREATE FUNCTION pgml.distance_l2(vector double precision[], other double precision[]) RETURNS double precision
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'distance_l2_d_wrapper';
COMMENT ON FUNCTION pgml.distance_l2(double precision[], double precision[]) IS 'Euclidean distance of two vectors';

CREATE FUNCTION pgml.dot_product(vector real[], other real[]) RETURNS real
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dot_product_s_wrapper';
COMMENT ON FUNCTION pgml.dot_product(real[], real[]) IS 'Sum of the products of two vectors';

CREATE FUNCTION pgml.dot_product(vector double precision[], other double precision[]) RETURNS double precision
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'dot_product_d_wrapper';
COMMENT ON FUNCTION pgml.dot_product(double precision[], double precision[]) IS 'Sum of the products of two vectors';

CREATE FUNCTION pgml.cosine_similarity(vector real[], other real[]) RETURNS real
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cosine_similarity_s_wrapper';
COMMENT ON FUNCTION pgml.cosine_similarity(real[], real[]) IS 'Cosine of the angle between two vectors; NaN when one is zero';

CREATE FUNCTION pgml.cosine_similarity(vector double precision[], other double precision[]) RETURNS double precision
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cosine_similarity_d_wrapper';
COMMENT ON FUNCTION pgml.cosine_similarity(double precision[], double precision[]) IS 'Cosine of the angle between two vectors; NaN when one is zero';
