//! The server that `cargo xtask test` started, and fresh databases on it.

use std::env;
use std::sync::atomic::{AtomicU32, Ordering};

use xtask::installation::{Installation, PgVersion};

use crate::session::Session;

/// The error of a test's own doings.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A running test server with a template database that has the extension.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its PostgreSQL version.
    pub version: PgVersion,
    connection: String,
    template: String,
}

impl Server {
    /// The server that the environment names: `PGML_TEST_PG` (15, 16 or 18), `PGML_TEST_CONNECTION` (a client's
    /// parameters without the database) and `PGML_TEST_TEMPLATE` (a database that has the extension).
    ///
    /// # Errors
    /// When a variable is missing: the tests were not started by `cargo xtask test`.
    pub fn from_environment() -> Result<Self, Failure> {
        let variable = |name: &str| {
            env::var(name).map_err(|_| format!("{name} is not set: run this test with `cargo xtask test`"))
        };
        Ok(Self {
            version: variable("PGML_TEST_PG")?.parse()?,
            connection: variable("PGML_TEST_CONNECTION")?,
            template: variable("PGML_TEST_TEMPLATE")?,
        })
    }

    /// The installation of the server's version, for tests that start servers of their own
    /// ([`xtask::throwaway::Throwaway`]).
    ///
    /// # Errors
    /// When it is not there.
    pub fn installation(&self) -> Result<Installation, Failure> {
        Ok(self.version.provide()?)
    }

    /// A fresh database with the extension, dropped with the value.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn database(&self) -> Result<Database, Failure> {
        self.database_from(&self.template)
    }

    /// A fresh database without the extension, dropped with the value.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn empty_database(&self) -> Result<Database, Failure> {
        self.database_from("template0")
    }

    /// A fresh database of this encoding with the extension, dropped with the value.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn database_in(&self, encoding: &str) -> Result<Database, Failure> {
        let database = self.database_from(&format!("template0 ENCODING '{encoding}' LOCALE 'C'"))?;
        database.connect()?.client.batch_execute("CREATE SCHEMA IF NOT EXISTS pgml; CREATE EXTENSION pgml")?;
        Ok(database)
    }

    fn database_from(&self, template: &str) -> Result<Database, Failure> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
        self.maintenance()?.client.batch_execute(&create)?;
        Ok(Database { name, server: self.clone() })
    }

    fn maintenance(&self) -> Result<Session, Failure> {
        Session::connect(&format!("{} dbname=postgres", self.connection))
    }
}

/// A database of one test.
#[derive(Debug)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub server: Server,
}

impl Database {
    /// Parameters for any client.
    pub fn connection(&self) -> String {
        format!("{} dbname={}", self.server.connection, self.name)
    }

    /// Opens a session as the superuser.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn connect(&self) -> Result<Session, Failure> {
        Session::connect(&self.connection())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A drop can report nothing; the server is thrown away anyway.
        if let Ok(mut session) = self.server.maintenance() {
            let _ = session.client.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}
