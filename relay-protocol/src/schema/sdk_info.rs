//! The SDK that made an event (spec/schema.md 4.10).

use super::{List, Pii, Shape, interface};

interface! {
    /// The SDK that made an event.
    SdkInfo = "clientsdkinfo", other: No {
        /// Its name. At most 256 characters.
        name: String = "name" { max_chars: Some(256), allowance: 20, required: true, pii: Pii::No };
        /// Its version. At most 256 characters.
        version: String = "version" { max_chars: Some(256), allowance: 20, required: true, pii: Pii::No };
        /// The integrations in use.
        integrations: List<String> = "integrations" { skip_empty: true, pii: Pii::No };
        /// The features in use.
        features: List<String> = "features" { skip_empty: true, pii: Pii::No };
        /// The packages it is made of.
        packages: List<SdkPackage> = "packages" { skip_empty: true, pii: Pii::No };
        /// The address of whoever sent it.
        client_ip: String = "client_ip" { shape: Shape::Ip, pii: Pii::Yes };
        /// What it wishes relays to do.
        settings: SdkSettings = "settings" { pii: Pii::No };
    }
}

interface! {
    /// A package that an SDK is made of.
    SdkPackage = "clientsdkpackage", other: Inherit {
        /// Its name.
        name: String = "name";
        /// Its version.
        version: String = "version";
    }
}

interface! {
    /// What an SDK wishes relays to do.
    SdkSettings = "clientsdksettings", other: Inherit {
        /// Whether to fill in the user's address: `auto`, `never`, `legacy`; another word counts as `never`.
        infer_ip: String = "infer_ip";
    }
}
