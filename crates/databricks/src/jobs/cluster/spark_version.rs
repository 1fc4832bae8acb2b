//! Versions of the Databricks Runtime, as `spark_version` wants them.
//!
//! Those with long-term support, each supported for three years. A workspace may offer more, and one day fewer: its own
//! list is what counts. Any text is taken where these are.

/// Runtime 13.3 LTS, Spark 3.4.
pub const LTS_13_3: &str = "13.3.x-scala2.12";
/// Runtime 14.3 LTS, Spark 3.5.
pub const LTS_14_3: &str = "14.3.x-scala2.12";
/// Runtime 15.4 LTS, Spark 3.5.
pub const LTS_15_4: &str = "15.4.x-scala2.12";
/// Runtime 16.4 LTS, Spark 3.5, for JARs of Scala 2.12.
pub const LTS_16_4: &str = "16.4.x-scala2.12";
/// Runtime 16.4 LTS, Spark 3.5, for JARs of Scala 2.13.
pub const LTS_16_4_SCALA_2_13: &str = "16.4.x-scala2.13";
/// Runtime 17.3 LTS, Spark 4.0.
pub const LTS_17_3: &str = "17.3.x-scala2.13";

/// Runtime 15.4 LTS with machine learning libraries.
pub const LTS_15_4_ML: &str = "15.4.x-cpu-ml-scala2.12";
/// Runtime 15.4 LTS with machine learning libraries, for GPUs.
pub const LTS_15_4_GPU_ML: &str = "15.4.x-gpu-ml-scala2.12";
/// Runtime 16.4 LTS with machine learning libraries.
pub const LTS_16_4_ML: &str = "16.4.x-cpu-ml-scala2.12";
/// Runtime 16.4 LTS with machine learning libraries, for GPUs.
pub const LTS_16_4_GPU_ML: &str = "16.4.x-gpu-ml-scala2.12";

/// What the presets take: supported, and old enough that libraries exist for it.
pub const DEFAULT: &str = LTS_16_4;
/// What the preset for GPUs takes.
pub const DEFAULT_GPU_ML: &str = LTS_16_4_GPU_ML;
