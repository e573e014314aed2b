-- The vector functions for arrays of exact numbers. Without these, ARRAY[1, 2, 3] and ARRAY[0.5, 1.5] would fit real[]
-- and double precision[] equally well and the call would be refused. Results are double precision.

CREATE FUNCTION pgml.add(vector smallint[], addend smallint[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.add(vector::pg_catalog.float8[], addend::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.add(smallint[], smallint[]) IS 'Adds two vectors element by element';

CREATE FUNCTION pgml.add(vector integer[], addend integer[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.add(vector::pg_catalog.float8[], addend::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.add(integer[], integer[]) IS 'Adds two vectors element by element';

CREATE FUNCTION pgml.add(vector bigint[], addend bigint[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.add(vector::pg_catalog.float8[], addend::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.add(bigint[], bigint[]) IS 'Adds two vectors element by element';

CREATE FUNCTION pgml.add(vector numeric[], addend numeric[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.add(vector::pg_catalog.float8[], addend::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.add(numeric[], numeric[]) IS 'Adds two vectors element by element';

CREATE FUNCTION pgml.subtract(vector smallint[], subtahend smallint[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.subtract(vector::pg_catalog.float8[], subtahend::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.subtract(smallint[], smallint[]) IS 'Subtracts the second vector from the first, element by element';

CREATE FUNCTION pgml.subtract(vector integer[], subtahend integer[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.subtract(vector::pg_catalog.float8[], subtahend::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.subtract(integer[], integer[]) IS 'Subtracts the second vector from the first, element by element';

CREATE FUNCTION pgml.subtract(vector bigint[], subtahend bigint[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.subtract(vector::pg_catalog.float8[], subtahend::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.subtract(bigint[], bigint[]) IS 'Subtracts the second vector from the first, element by element';

CREATE FUNCTION pgml.subtract(vector numeric[], subtahend numeric[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.subtract(vector::pg_catalog.float8[], subtahend::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.subtract(numeric[], numeric[]) IS 'Subtracts the second vector from the first, element by element';

CREATE FUNCTION pgml.multiply(vector smallint[], multiplicand smallint[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.multiply(vector::pg_catalog.float8[], multiplicand::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.multiply(smallint[], smallint[]) IS 'Multiplies two vectors element by element';

CREATE FUNCTION pgml.multiply(vector integer[], multiplicand integer[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.multiply(vector::pg_catalog.float8[], multiplicand::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.multiply(integer[], integer[]) IS 'Multiplies two vectors element by element';

CREATE FUNCTION pgml.multiply(vector bigint[], multiplicand bigint[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.multiply(vector::pg_catalog.float8[], multiplicand::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.multiply(bigint[], bigint[]) IS 'Multiplies two vectors element by element';

CREATE FUNCTION pgml.multiply(vector numeric[], multiplicand numeric[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.multiply(vector::pg_catalog.float8[], multiplicand::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.multiply(numeric[], numeric[]) IS 'Multiplies two vectors element by element';

CREATE FUNCTION pgml.divide(vector smallint[], dividend smallint[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.divide(vector::pg_catalog.float8[], dividend::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.divide(smallint[], smallint[]) IS 'Divides the first vector by the second, element by element';

CREATE FUNCTION pgml.divide(vector integer[], dividend integer[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.divide(vector::pg_catalog.float8[], dividend::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.divide(integer[], integer[]) IS 'Divides the first vector by the second, element by element';

CREATE FUNCTION pgml.divide(vector bigint[], dividend bigint[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.divide(vector::pg_catalog.float8[], dividend::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.divide(bigint[], bigint[]) IS 'Divides the first vector by the second, element by element';

CREATE FUNCTION pgml.divide(vector numeric[], dividend numeric[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.divide(vector::pg_catalog.float8[], dividend::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.divide(numeric[], numeric[]) IS 'Divides the first vector by the second, element by element';

CREATE FUNCTION pgml.norm_l0(vector smallint[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.norm_l0(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.norm_l0(smallint[]) IS 'Number of elements of a vector that are not zero';

CREATE FUNCTION pgml.norm_l0(vector integer[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.norm_l0(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.norm_l0(integer[]) IS 'Number of elements of a vector that are not zero';

CREATE FUNCTION pgml.norm_l0(vector bigint[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.norm_l0(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.norm_l0(bigint[]) IS 'Number of elements of a vector that are not zero';

CREATE FUNCTION pgml.norm_l0(vector numeric[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.norm_l0(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.norm_l0(numeric[]) IS 'Number of elements of a vector that are not zero';

CREATE FUNCTION pgml.norm_l1(vector smallint[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.norm_l1(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.norm_l1(smallint[]) IS 'Sum of the absolute values of a vector';

CREATE FUNCTION pgml.norm_l1(vector integer[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.norm_l1(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.norm_l1(integer[]) IS 'Sum of the absolute values of a vector';

CREATE FUNCTION pgml.norm_l1(vector bigint[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.norm_l1(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.norm_l1(bigint[]) IS 'Sum of the absolute values of a vector';

CREATE FUNCTION pgml.norm_l1(vector numeric[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.norm_l1(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.norm_l1(numeric[]) IS 'Sum of the absolute values of a vector';

CREATE FUNCTION pgml.norm_l2(vector smallint[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.norm_l2(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.norm_l2(smallint[]) IS 'Euclidean length of a vector';

CREATE FUNCTION pgml.norm_l2(vector integer[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.norm_l2(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.norm_l2(integer[]) IS 'Euclidean length of a vector';

CREATE FUNCTION pgml.norm_l2(vector bigint[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.norm_l2(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.norm_l2(bigint[]) IS 'Euclidean length of a vector';

CREATE FUNCTION pgml.norm_l2(vector numeric[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.norm_l2(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.norm_l2(numeric[]) IS 'Euclidean length of a vector';

CREATE FUNCTION pgml.norm_max(vector smallint[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.norm_max(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.norm_max(smallint[]) IS 'Largest absolute value of a vector';

CREATE FUNCTION pgml.norm_max(vector integer[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.norm_max(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.norm_max(integer[]) IS 'Largest absolute value of a vector';

CREATE FUNCTION pgml.norm_max(vector bigint[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.norm_max(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.norm_max(bigint[]) IS 'Largest absolute value of a vector';

CREATE FUNCTION pgml.norm_max(vector numeric[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.norm_max(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.norm_max(numeric[]) IS 'Largest absolute value of a vector';

CREATE FUNCTION pgml.normalize_l1(vector smallint[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.normalize_l1(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.normalize_l1(smallint[]) IS 'Divides each element of a vector by its norm_l1';

CREATE FUNCTION pgml.normalize_l1(vector integer[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.normalize_l1(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.normalize_l1(integer[]) IS 'Divides each element of a vector by its norm_l1';

CREATE FUNCTION pgml.normalize_l1(vector bigint[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.normalize_l1(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.normalize_l1(bigint[]) IS 'Divides each element of a vector by its norm_l1';

CREATE FUNCTION pgml.normalize_l1(vector numeric[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.normalize_l1(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.normalize_l1(numeric[]) IS 'Divides each element of a vector by its norm_l1';

CREATE FUNCTION pgml.normalize_l2(vector smallint[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.normalize_l2(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.normalize_l2(smallint[]) IS 'Divides each element of a vector by its Euclidean length';

CREATE FUNCTION pgml.normalize_l2(vector integer[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.normalize_l2(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.normalize_l2(integer[]) IS 'Divides each element of a vector by its Euclidean length';

CREATE FUNCTION pgml.normalize_l2(vector bigint[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.normalize_l2(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.normalize_l2(bigint[]) IS 'Divides each element of a vector by its Euclidean length';

CREATE FUNCTION pgml.normalize_l2(vector numeric[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.normalize_l2(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.normalize_l2(numeric[]) IS 'Divides each element of a vector by its Euclidean length';

CREATE FUNCTION pgml.normalize_max(vector smallint[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.normalize_max(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.normalize_max(smallint[]) IS 'Divides each element of a vector by its norm_max';

CREATE FUNCTION pgml.normalize_max(vector integer[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.normalize_max(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.normalize_max(integer[]) IS 'Divides each element of a vector by its norm_max';

CREATE FUNCTION pgml.normalize_max(vector bigint[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.normalize_max(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.normalize_max(bigint[]) IS 'Divides each element of a vector by its norm_max';

CREATE FUNCTION pgml.normalize_max(vector numeric[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.normalize_max(vector::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.normalize_max(numeric[]) IS 'Divides each element of a vector by its norm_max';

CREATE FUNCTION pgml.distance_l1(vector smallint[], other smallint[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.distance_l1(vector::pg_catalog.float8[], other::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.distance_l1(smallint[], smallint[]) IS 'Sum of the absolute differences of two vectors';

CREATE FUNCTION pgml.distance_l1(vector integer[], other integer[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.distance_l1(vector::pg_catalog.float8[], other::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.distance_l1(integer[], integer[]) IS 'Sum of the absolute differences of two vectors';

CREATE FUNCTION pgml.distance_l1(vector bigint[], other bigint[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.distance_l1(vector::pg_catalog.float8[], other::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.distance_l1(bigint[], bigint[]) IS 'Sum of the absolute differences of two vectors';

CREATE FUNCTION pgml.distance_l1(vector numeric[], other numeric[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.distance_l1(vector::pg_catalog.float8[], other::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.distance_l1(numeric[], numeric[]) IS 'Sum of the absolute differences of two vectors';

CREATE FUNCTION pgml.distance_l2(vector smallint[], other smallint[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.distance_l2(vector::pg_catalog.float8[], other::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.distance_l2(smallint[], smallint[]) IS 'Euclidean distance of two vectors';

CREATE FUNCTION pgml.distance_l2(vector integer[], other integer[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.distance_l2(vector::pg_catalog.float8[], other::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.distance_l2(integer[], integer[]) IS 'Euclidean distance of two vectors';

CREATE FUNCTION pgml.distance_l2(vector bigint[], other bigint[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.distance_l2(vector::pg_catalog.float8[], other::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.distance_l2(bigint[], bigint[]) IS 'Euclidean distance of two vectors';

CREATE FUNCTION pgml.distance_l2(vector numeric[], other numeric[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.distance_l2(vector::pg_catalog.float8[], other::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.distance_l2(numeric[], numeric[]) IS 'Euclidean distance of two vectors';

CREATE FUNCTION pgml.dot_product(vector smallint[], other smallint[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.dot_product(vector::pg_catalog.float8[], other::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.dot_product(smallint[], smallint[]) IS 'Sum of the products of two vectors';

CREATE FUNCTION pgml.dot_product(vector integer[], other integer[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.dot_product(vector::pg_catalog.float8[], other::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.dot_product(integer[], integer[]) IS 'Sum of the products of two vectors';

CREATE FUNCTION pgml.dot_product(vector bigint[], other bigint[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.dot_product(vector::pg_catalog.float8[], other::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.dot_product(bigint[], bigint[]) IS 'Sum of the products of two vectors';

CREATE FUNCTION pgml.dot_product(vector numeric[], other numeric[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.dot_product(vector::pg_catalog.float8[], other::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.dot_product(numeric[], numeric[]) IS 'Sum of the products of two vectors';

CREATE FUNCTION pgml.cosine_similarity(vector smallint[], other smallint[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.cosine_similarity(vector::pg_catalog.float8[], other::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.cosine_similarity(smallint[], smallint[]) IS 'Cosine of the angle between two vectors; NaN when one is zero';

CREATE FUNCTION pgml.cosine_similarity(vector integer[], other integer[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.cosine_similarity(vector::pg_catalog.float8[], other::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.cosine_similarity(integer[], integer[]) IS 'Cosine of the angle between two vectors; NaN when one is zero';

CREATE FUNCTION pgml.cosine_similarity(vector bigint[], other bigint[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.cosine_similarity(vector::pg_catalog.float8[], other::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.cosine_similarity(bigint[], bigint[]) IS 'Cosine of the angle between two vectors; NaN when one is zero';

CREATE FUNCTION pgml.cosine_similarity(vector numeric[], other numeric[]) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pgml.cosine_similarity(vector::pg_catalog.float8[], other::pg_catalog.float8[]);
COMMENT ON FUNCTION pgml.cosine_similarity(numeric[], numeric[]) IS 'Cosine of the angle between two vectors; NaN when one is zero';
