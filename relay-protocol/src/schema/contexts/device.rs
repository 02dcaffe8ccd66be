use serde_json::Value;

use crate::schema::{Pii, interface};

interface! {
    /// The machine that an event comes from.
    DeviceContext = "devicecontext", other: Maybe {
        /// `device`
        ty: String = "type" { pii: Pii::No };
        /// What its owner calls it.
        name: String = "name" { pii: Pii::Maybe };
        /// The family, such as `iPhone`.
        family: String = "family" { pii: Pii::No };
        /// The model.
        model: String = "model" { pii: Pii::No };
        /// The model, in the words of its maker.
        model_id: String = "model_id" { pii: Pii::No };
        /// The architecture.
        arch: String = "arch" { pii: Pii::No };
        /// How full the battery is, in percent.
        battery_level: f64 = "battery_level" { pii: Pii::No };
        /// `portrait` or `landscape`.
        orientation: String = "orientation" { pii: Pii::No };
        /// Its maker.
        manufacturer: String = "manufacturer" { pii: Pii::No };
        /// Its brand.
        brand: String = "brand" { pii: Pii::No };
        /// Such as `800x600`.
        screen_resolution: String = "screen_resolution" { pii: Pii::Maybe };
        /// Width of the screen, in pixels.
        screen_width_pixels: u64 = "screen_width_pixels" { pii: Pii::Maybe };
        /// Height of the screen, in pixels.
        screen_height_pixels: u64 = "screen_height_pixels" { pii: Pii::Maybe };
        /// Pixels per logical pixel.
        screen_density: f64 = "screen_density" { pii: Pii::Maybe };
        /// Dots per inch.
        screen_dpi: u64 = "screen_dpi" { pii: Pii::Maybe };
        /// Whether it had a network.
        online: bool = "online" { pii: Pii::No };
        /// Whether it was charging.
        charging: bool = "charging" { pii: Pii::No };
        /// Whether memory was low.
        low_memory: bool = "low_memory" { pii: Pii::No };
        /// Whether it is simulated.
        simulator: bool = "simulator" { pii: Pii::No };
        /// Memory, in bytes.
        memory_size: u64 = "memory_size" { pii: Pii::Maybe };
        /// Free memory, in bytes.
        free_memory: u64 = "free_memory" { pii: Pii::Maybe };
        /// Memory for the application, in bytes.
        usable_memory: u64 = "usable_memory" { pii: Pii::Maybe };
        /// Storage, in bytes.
        storage_size: u64 = "storage_size" { pii: Pii::Maybe };
        /// Free storage, in bytes.
        free_storage: u64 = "free_storage" { pii: Pii::Maybe };
        /// External storage, in bytes.
        external_storage_size: u64 = "external_storage_size" { pii: Pii::Maybe };
        /// Free external storage, in bytes.
        external_free_storage: u64 = "external_free_storage" { pii: Pii::Maybe };
        /// When it was started.
        boot_time: String = "boot_time" { pii: Pii::Maybe };
        /// Its time zone.
        timezone: String = "timezone" { pii: Pii::Maybe };
        /// Its language.
        locale: String = "locale" { pii: Pii::Maybe };
        /// How many processors it has.
        processor_count: u64 = "processor_count" { pii: Pii::No };
        /// The processor.
        cpu_description: String = "cpu_description" { pii: Pii::Maybe };
        /// Its frequency, in MHz.
        processor_frequency: u64 = "processor_frequency" { pii: Pii::No };
        /// The kind of device.
        device_type: String = "device_type" { pii: Pii::Maybe };
        /// What the battery does.
        battery_status: String = "battery_status" { pii: Pii::Maybe };
        /// An id of the device.
        device_unique_identifier: String = "device_unique_identifier" { pii: Pii::Yes };
        /// Whether it can vibrate.
        supports_vibration: bool = "supports_vibration" { pii: Pii::No };
        /// Whether it feels acceleration.
        supports_accelerometer: bool = "supports_accelerometer" { pii: Pii::No };
        /// Whether it feels rotation.
        supports_gyroscope: bool = "supports_gyroscope" { pii: Pii::No };
        /// Whether it has sound.
        supports_audio: bool = "supports_audio" { pii: Pii::No };
        /// Whether it knows where it is.
        supports_location_service: bool = "supports_location_service" { pii: Pii::No };
        /// An id of the device.
        uuid: uuid::Uuid = "uuid" { pii: Pii::Maybe };
    }
}

interface! {
    /// A graphics card.
    GpuContext = "gpucontext", other: Maybe {
        /// `gpu`
        ty: String = "type" { pii: Pii::No };
        /// Its name.
        name: String = "name" { pii: Pii::Maybe };
        /// Its version.
        version: String = "version" { pii: Pii::Maybe };
        /// Its id.
        id: Value = "id" { pii: Pii::Maybe };
        /// The id of its maker.
        vendor_id: String = "vendor_id" { pii: Pii::Maybe };
        /// Its maker.
        vendor_name: String = "vendor_name" { pii: Pii::Maybe };
        /// The version of the driver.
        driver_version: String = "driver_version" { pii: Pii::Maybe };
        /// Its memory, in megabytes.
        memory_size: u64 = "memory_size" { pii: Pii::Maybe };
        /// How it is programmed, such as `Metal`.
        api_type: String = "api_type" { pii: Pii::Maybe };
        /// Whether several threads may draw.
        multi_threaded_rendering: bool = "multi_threaded_rendering" { pii: Pii::Maybe };
        /// How it deals with textures whose size is no power of two.
        npot_support: String = "npot_support" { pii: Pii::Maybe };
        /// The largest texture, in pixels.
        max_texture_size: u64 = "max_texture_size" { pii: Pii::No };
        /// How capable its shaders are.
        graphics_shader_level: String = "graphics_shader_level" { pii: Pii::No };
        /// Whether it can draw instances.
        supports_draw_call_instancing: bool = "supports_draw_call_instancing" { pii: Pii::No };
        /// Whether it can trace rays.
        supports_ray_tracing: bool = "supports_ray_tracing" { pii: Pii::No };
        /// Whether it has compute shaders.
        supports_compute_shaders: bool = "supports_compute_shaders" { pii: Pii::No };
        /// Whether it has geometry shaders.
        supports_geometry_shaders: bool = "supports_geometry_shaders" { pii: Pii::No };
    }
}
