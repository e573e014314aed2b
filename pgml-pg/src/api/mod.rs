//! What SQL calls, one file per topic.

mod system;
