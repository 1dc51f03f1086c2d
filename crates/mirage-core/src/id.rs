//! Identities: 128 random bits each, written as a UUID.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Code, Error};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $word:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// An identity from 16 bytes of somebody's randomness.
            pub fn from_random(bytes: [u8; 16]) -> Self {
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }

            /// Its sixteen bytes.
            pub fn bytes(&self) -> [u8; 16] {
                self.0.into_bytes()
            }

            /// The first eight hexadecimal digits, for logs and file names where the whole is noise.
            pub fn short(&self) -> String {
                self.0.simple().to_string()[..8].to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                Uuid::try_parse(text).map(Self).map_err(|_| {
                    Error::new(Code::InvalidRequest, format!("`{text}` is not the id of a {}", $word))
                        .hint("an id looks like `0b9f6c1e-55a1-4c55-9a3f-2a8f3f1f7d10`")
                })
            }
        }
    )*};
}

ids! {
    /// Names a project.
    ProjectId "project";
    /// Names an environment of a project.
    EnvironmentId "environment";
    /// Names a service in its environment.
    ServiceId "service";
    /// Names one attempt to make a revision live.
    DeploymentId "deployment";
    /// Names the credential of a service, or one that services of an environment or a project share.
    CredentialId "credential";
    /// Names a token of a project.
    TokenId "token";
    /// Names a volume.
    VolumeId "volume";
    /// Names one running (or once running) container of a deployment.
    InstanceId "instance";
    /// Names what somebody typed so far for a service that is not made yet.
    DraftId "draft";
}
