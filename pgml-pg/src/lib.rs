//! The PostgreSQL extension `pgml`.

::pgrx::pg_module_magic!();
