use crate::wire_enum::{deserialize_from_str, wire_enum};

wire_enum! {
    /// The platforms an event may name (spec/schema.md 2.2). Any other name counts as
    /// [`Other`](Self::Other) once an event is normalised.
    pub enum Platform, ParsePlatformError("a platform") {
        /// ActionScript 3
        As3 = "as3",
        /// C and C++
        C = "c",
        /// ColdFusion
        Cfml = "cfml",
        /// Apple's systems
        Cocoa = "cocoa",
        /// C# and the rest of .NET
        Csharp = "csharp",
        /// Elixir
        Elixir = "elixir",
        /// Go
        Go = "go",
        /// Groovy
        Groovy = "groovy",
        /// Haskell
        Haskell = "haskell",
        /// Java and the rest of the JVM
        Java = "java",
        /// JavaScript in browsers
        Javascript = "javascript",
        /// Machine code of any language
        Native = "native",
        /// JavaScript on Node.js
        Node = "node",
        /// Objective-C
        Objc = "objc",
        /// Everything else
        Other = "other",
        /// Perl
        Perl = "perl",
        /// PHP
        Php = "php",
        /// Python
        Python = "python",
        /// Ruby
        Ruby = "ruby",
    }
}

deserialize_from_str!(Platform, "a platform");
