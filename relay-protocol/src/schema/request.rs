//! The HTTP request that was being answered (spec/schema.md 4.6).

use serde_json::Value;

use super::{Map, Pairs, Pii, container, interface};

interface! {
    /// The HTTP request that was being answered.
    Request = "request", other: Yes {
        /// At most 256 characters. Relays move query and fragment to their own fields.
        url: String = "url" { max_chars: Some(256), allowance: 40, pii: Pii::Maybe };
        /// In upper case, 3 to 32 of `A-Z`, `-`, `_`.
        method: String = "method" { pii: Pii::No };
        /// The protocol, such as `HTTP/1.1`.
        protocol: String = "protocol" { pii: Pii::No };
        /// The body, as JSON where it is some. At most 8 KiB, seven levels deep.
        data: Value = "data" { max_depth: Some(7), max_bytes: Some(8192), pii: Pii::Yes };
        /// Decoded. A text such as `a=b&c`, an object and a list of pairs are accepted. At most 1 KiB.
        query_string: Pairs = "query_string" {
            shape: container::QUERY.shape, max_depth: Some(3), max_bytes: Some(1024), pii: Pii::Yes
        };
        /// What follows `#`. At most 1,024 characters.
        fragment: String = "fragment" { max_chars: Some(1024), allowance: 100, pii: Pii::Yes };
        /// Decoded. A text such as `a=b; c=d`, an object and a list of pairs are accepted. At most 2 KiB.
        cookies: Pairs = "cookies" {
            shape: container::COOKIES.shape, max_depth: Some(5), max_bytes: Some(2048), pii: Pii::Yes
        };
        /// By name, as in `Content-Type`. An object and a list of pairs are accepted. At most 8 KiB.
        headers: Pairs = "headers" {
            shape: container::HEADERS.shape, max_depth: Some(7), max_bytes: Some(8192), pii: Pii::Yes
        };
        /// How long the body was, in bytes.
        body_size: u64 = "body_size" { pii: Pii::No };
        /// Variables of the server, such as `REMOTE_ADDR`. At most 8 KiB, seven levels deep.
        env: Map<Value> = "env" { max_depth: Some(7), max_bytes: Some(8192), pii: Pii::Yes };
        /// What the body is. Set by relays.
        inferred_content_type: String = "inferred_content_type" { pii: Pii::No };
        /// `graphql` says that the body is a query whose variables are scrubbed.
        api_target: String = "api_target" { pii: Pii::No };
    }
}
