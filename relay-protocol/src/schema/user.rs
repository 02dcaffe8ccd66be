//! Who had the problem, and where (spec/schema.md 4.5).

use serde_json::Value;

use super::{Map, Pii, Shape, interface};

interface! {
    /// Who had the problem.
    User = "user", other: Yes {
        /// An id of the application. At most 128 characters.
        id: String = "id" { shape: Shape::Lenient, max_chars: Some(128), pii: Pii::Yes };
        /// At most 75 characters.
        email: String = "email" { max_chars: Some(75), pii: Pii::Yes };
        /// IPv4 or IPv6, or `{{auto}}`: the address from which the event is sent.
        ip_address: String = "ip_address" { shape: Shape::Ip, pii: Pii::Yes };
        /// At most 128 characters.
        username: String = "username" { shape: Shape::Lenient, max_chars: Some(128), pii: Pii::Yes };
        /// What to call the person. At most 128 characters.
        name: String = "name" { max_chars: Some(128), pii: Pii::Yes };
        /// What tells users apart, such as `id:7`. Set by relays.
        sentry_user: String = "sentry_user" { pii: Pii::Yes };
        /// A group of users.
        segment: String = "segment" { pii: Pii::No };
        /// Where the user is.
        geo: Geo = "geo" { skip_empty: true, pii: Pii::No };
        /// Anything else.
        data: Map<Value> = "data" { skip_empty: true, pii: Pii::Yes };
    }
}

interface! {
    /// A place on Earth, as an address tells it.
    Geo = "geo", other: Inherit {
        /// Two letters. At most 102 characters.
        country_code: String = "country_code" { max_chars: Some(102), allowance: 1004, pii: Pii::Yes };
        /// At most 1,024 characters.
        city: String = "city" { max_chars: Some(1024), allowance: 100, pii: Pii::Yes };
        /// A state or the like. At most 1,024 characters.
        subdivision: String = "subdivision" { max_chars: Some(1024), allowance: 100, pii: Pii::Yes };
        /// The name of the country. At most 1,024 characters.
        region: String = "region" { max_chars: Some(1024), allowance: 100, pii: Pii::Yes };
    }
}
