//! Machines that the presets are made of, as `node_type_id` wants them. Any text is taken where these are; what a
//! workspace may use depends on its region and policies.

/// Machines of AWS.
pub mod aws {
    /// 4 cores, 16 GiB, a local SSD.
    pub const M5D_XLARGE: &str = "m5d.xlarge";
    /// 8 cores, 32 GiB, a local SSD.
    pub const M5D_2XLARGE: &str = "m5d.2xlarge";
    /// 8 cores, 64 GiB, a local SSD.
    pub const R5D_2XLARGE: &str = "r5d.2xlarge";
    /// 16 cores, 128 GiB, local SSDs.
    pub const R5D_4XLARGE: &str = "r5d.4xlarge";
    /// 4 cores, 30 GiB, a large local SSD: for caches.
    pub const I3_XLARGE: &str = "i3.xlarge";
    /// 4 cores, 16 GiB, one T4.
    pub const G4DN_XLARGE: &str = "g4dn.xlarge";
    /// 4 cores, 16 GiB, one A10G.
    pub const G5_XLARGE: &str = "g5.xlarge";
}

/// Machines of Azure.
pub mod azure {
    /// 4 cores, 14 GiB.
    pub const STANDARD_DS3_V2: &str = "Standard_DS3_v2";
    /// 8 cores, 28 GiB.
    pub const STANDARD_DS4_V2: &str = "Standard_DS4_v2";
    /// 8 cores, 64 GiB.
    pub const STANDARD_E8S_V3: &str = "Standard_E8s_v3";
    /// 16 cores, 128 GiB.
    pub const STANDARD_E16S_V3: &str = "Standard_E16s_v3";
    /// 4 cores, 28 GiB, one T4.
    pub const STANDARD_NC4AS_T4_V3: &str = "Standard_NC4as_T4_v3";
    /// 24 cores, 220 GiB, one A100.
    pub const STANDARD_NC24ADS_A100_V4: &str = "Standard_NC24ads_A100_v4";
}

/// Machines of Google Cloud.
pub mod gcp {
    /// 4 cores, 16 GB.
    pub const N2_STANDARD_4: &str = "n2-standard-4";
    /// 8 cores, 32 GB.
    pub const N2_STANDARD_8: &str = "n2-standard-8";
    /// 8 cores, 64 GB.
    pub const N2_HIGHMEM_8: &str = "n2-highmem-8";
    /// 16 cores, 128 GB.
    pub const N2_HIGHMEM_16: &str = "n2-highmem-16";
    /// 4 cores, 16 GB, one L4.
    pub const G2_STANDARD_4: &str = "g2-standard-4";
    /// 12 cores, 85 GB, one A100.
    pub const A2_HIGHGPU_1G: &str = "a2-highgpu-1g";
}
