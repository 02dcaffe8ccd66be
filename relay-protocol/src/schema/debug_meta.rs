//! The programs in memory (spec/schema.md 6).

use super::interface::by_type;
use super::{Address, Attributes, List, Pii, Shape, interface};
use crate::payload::NodeRef;

interface! {
    /// The programs in memory when a native application crashed, or source maps.
    DebugMeta = "debugmeta", other: Inherit {
        /// The system SDK, such as that of iOS.
        sdk_info: SystemSdkInfo = "sdk_info";
        /// The programs and libraries.
        images: List<DebugImage> = "images";
    }
}

interface! {
    /// A system SDK.
    SystemSdkInfo = "systemsdkinfo", other: Inherit {
        /// Its name.
        sdk_name: String = "sdk_name";
        /// Its version.
        version_major: u64 = "version_major";
        /// Its version.
        version_minor: u64 = "version_minor";
        /// Its version.
        version_patchlevel: u64 = "version_patchlevel";
    }
}

by_type! {
    /// A program or library in memory, or a source map, told apart by `type`.
    DebugImage, IMAGES, Attributes::of(Shape::Any); {
        /// Old form of [`NativeImage`].
        Apple(AppleImage) = "apple";
        /// A native program or library.
        Native(NativeImage) = "symbolic" | "macho" | "elf" | "pe" | "pe_dotnet" | "wasm";
        /// A source map.
        SourceMap(SourceMapImage) = "sourcemap";
        /// Symbols of a JVM.
        Jvm(JvmImage) = "jvm";
        /// A ProGuard mapping.
        Proguard(ProguardImage) = "proguard";
    }
}

impl super::Typed for DebugImage {
    const ATTRIBUTES: Attributes = Attributes::of(Shape::Image);
}

/// What is said of an image, by its `type`.
pub(super) fn attributes_of(image: NodeRef<'_>) -> &'static Attributes {
    let ty = image.get("type").and_then(NodeRef::as_str).unwrap_or_default();
    let known = IMAGES.iter().find(|(words, _)| words.contains(&ty));
    known.map_or(&super::ANY, |(_, attributes)| attributes)
}

interface! {
    /// Old form of [`NativeImage`].
    AppleImage = "appledebugimage", other: Inherit {
        /// `apple`
        ty: String = "type";
        /// Its path.
        name: String = "name" { required: true };
        /// The architecture.
        arch: String = "arch";
        /// The kind of processor.
        cpu_type: u64 = "cpu_type";
        /// The kind of processor, finer.
        cpu_subtype: u64 = "cpu_subtype";
        /// Where it begins in memory.
        image_addr: Address = "image_addr" { required: true };
        /// How long it is, in bytes.
        image_size: u64 = "image_size" { required: true };
        /// Where it wished to begin.
        image_vmaddr: Address = "image_vmaddr";
        /// Its id.
        uuid: uuid::Uuid = "uuid" { required: true };
    }
}

interface! {
    /// A native program or library in memory.
    NativeImage = "nativedebugimage", other: Inherit {
        /// The format: `symbolic`, `macho`, `elf`, `pe`, `pe_dotnet` or `wasm`.
        ty: String = "type";
        /// The id of the code, in the words of the platform: hex digits.
        code_id: String = "code_id" { shape: Shape::CodeId };
        /// The path of the code.
        code_file: String = "code_file" | "name" {
            shape: Shape::Path, required: true, pii: Pii::Maybe
        };
        /// The id of the debug information: a UUID, perhaps `-` and an age in hex.
        debug_id: String = "debug_id" | "id" { shape: Shape::DebugId, required: true };
        /// The path of the debug information.
        debug_file: String = "debug_file" { shape: Shape::Path, pii: Pii::Maybe };
        /// A checksum of the debug information.
        debug_checksum: String = "debug_checksum";
        /// The architecture.
        arch: String = "arch";
        /// Where it begins in memory.
        image_addr: Address = "image_addr";
        /// How long it is, in bytes.
        image_size: u64 = "image_size";
        /// Where it wished to begin.
        image_vmaddr: Address = "image_vmaddr";
    }
}

interface! {
    /// A source map.
    SourceMapImage = "sourcemapdebugimage", other: Inherit {
        /// `sourcemap`
        ty: String = "type";
        /// The URL of the minified file.
        code_file: String = "code_file" { required: true };
        /// The id of the source map.
        debug_id: String = "debug_id" { shape: Shape::DebugId, required: true };
        /// The path of the source map.
        debug_file: String = "debug_file" { shape: Shape::Path, pii: Pii::Maybe };
    }
}

interface! {
    /// Symbols of a JVM.
    JvmImage = "jvmdebugimage", other: Inherit {
        /// `jvm`
        ty: String = "type";
        /// The id of the symbols.
        debug_id: String = "debug_id" { shape: Shape::DebugId, required: true };
    }
}

interface! {
    /// A ProGuard mapping.
    ProguardImage = "proguarddebugimage", other: Inherit {
        /// `proguard`
        ty: String = "type";
        /// The id of the mapping.
        uuid: uuid::Uuid = "uuid" { required: true };
    }
}
