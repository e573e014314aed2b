//! A server of a test's own, for settings, kills and replication that would disturb the other tests.

use pgml_tests::server::{Failure, Server};
use pgml_tests::session::Session;
use xtask::cluster::Cluster;
use xtask::private_server::create_database_with_extension;
use xtask::throwaway::Throwaway;

/// The database with the extension.
pub const DATABASE: &str = "tests";

/// A server, stopped and removed with the value.
pub struct OwnServer {
    server: Throwaway,
}

impl OwnServer {
    /// Starts one with these settings, and makes [`DATABASE`].
    pub fn start(settings: &[(&str, &str)]) -> Result<Self, Failure> {
        let server = Throwaway::start(Server::from_environment()?.installation()?, settings)?;
        create_database_with_extension(&server.cluster, DATABASE)?;
        Ok(Self { server })
    }

    /// Takes over a server that was made in another way.
    pub fn of(server: Throwaway) -> Self {
        Self { server }
    }

    /// Its cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.server.cluster
    }

    /// Parameters for any client, of `database`.
    pub fn connection(&self, database: &str) -> String {
        format!("{} dbname={database}", self.server.connection())
    }

    /// Opens a session in [`DATABASE`] as the superuser.
    pub fn connect(&self) -> Result<Session, Failure> {
        Session::connect(&self.connection(DATABASE))
    }

    /// Creates another database with the extension.
    pub fn create_database(&self, name: &str) -> Result<(), Failure> {
        Ok(create_database_with_extension(self.cluster(), name)?)
    }
}
