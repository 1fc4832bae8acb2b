//! What only one cloud has.

use crate::jobs::macros::{record, setters, words};

words! {
    /// Which instances AWS is asked for.
    AwsAvailability {
        /// At any price.
        OnDemand = "ON_DEMAND",
        /// Spare capacity only.
        Spot = "SPOT",
        /// Spare capacity, and on demand where there is none.
        SpotWithFallback = "SPOT_WITH_FALLBACK",
    }
}

words! {
    /// Which instances Azure is asked for.
    AzureAvailability {
        /// At any price.
        OnDemand = "ON_DEMAND_AZURE",
        /// Spare capacity only.
        Spot = "SPOT_AZURE",
        /// Spare capacity, and on demand where there is none.
        SpotWithFallback = "SPOT_WITH_FALLBACK_AZURE",
    }
}

words! {
    /// Which instances Google Cloud is asked for.
    GcpAvailability {
        /// At any price.
        OnDemand = "ON_DEMAND_GCP",
        /// Spare capacity only.
        Preemptible = "PREEMPTIBLE_GCP",
        /// Spare capacity, and on demand where there is none.
        PreemptibleWithFallback = "PREEMPTIBLE_WITH_FALLBACK_GCP",
    }
}

words! {
    /// Disks of AWS.
    EbsVolumeType {
        /// SSD.
        GeneralPurposeSsd = "GENERAL_PURPOSE_SSD",
        /// Hard disk.
        ThroughputOptimizedHdd = "THROUGHPUT_OPTIMIZED_HDD",
    }
}

record! {
    /// A cluster's instances on AWS.
    AwsAttributes {
        ;
        /// Which instances.
        availability: Option<AwsAvailability>,
        /// So many of the first nodes, the driver among them, are on demand whatever `availability` says.
        first_on_demand: Option<u64>,
        /// The zone, or `auto`.
        zone_id: Option<String>,
        /// What the instances may do in AWS.
        instance_profile_arn: Option<String>,
        /// The most to be paid for spare capacity, in percent of the price on demand.
        spot_bid_price_percent: Option<u64>,
        /// Type of the disks. Instance types without local disks need some.
        ebs_volume_type: Option<EbsVolumeType>,
        /// Number of disks on each instance.
        ebs_volume_count: Option<u64>,
        /// Size of each disk in GiB.
        ebs_volume_size: Option<u64>,
        ..rest
    }
}

impl AwsAttributes {
    setters! {
        /// Which instances.
        with_availability(availability: some AwsAvailability);
        /// The first nodes on demand.
        with_first_on_demand(first_on_demand: value u64);
        /// The zone, or `auto`.
        with_zone(zone_id: some String);
        /// What the instances may do in AWS.
        with_instance_profile(instance_profile_arn: some String);
    }

    /// Disks: their type, how many on each instance, and how large, in GiB.
    #[must_use]
    pub fn with_disks(mut self, kind: EbsVolumeType, count: u64, size: u64) -> Self {
        self.ebs_volume_type = Some(kind);
        self.ebs_volume_count = Some(count);
        self.ebs_volume_size = Some(size);
        self
    }
}

record! {
    /// A cluster's instances on Azure.
    AzureAttributes {
        ;
        /// Which instances.
        availability: Option<AzureAvailability>,
        /// So many of the first nodes, the driver among them, are on demand whatever `availability` says.
        first_on_demand: Option<u64>,
        /// The most to be paid for spare capacity, in dollars an hour; -1: up to the price on demand.
        spot_bid_max_price: Option<f64>,
        ..rest
    }
}

impl AzureAttributes {
    setters! {
        /// Which instances.
        with_availability(availability: some AzureAvailability);
        /// The first nodes on demand.
        with_first_on_demand(first_on_demand: value u64);
        /// The most to be paid for spare capacity.
        with_spot_bid_max_price(spot_bid_max_price: value f64);
    }
}

record! {
    /// A cluster's instances on Google Cloud.
    GcpAttributes {
        ;
        /// Which instances.
        availability: Option<GcpAvailability>,
        /// So many of the first nodes, the driver among them, are on demand whatever `availability` says.
        first_on_demand: Option<u64>,
        /// The zone, `HA` or `AUTO`.
        zone_id: Option<String>,
        /// What the instances may do in Google Cloud.
        google_service_account: Option<String>,
        /// Size of the boot disk in GB.
        boot_disk_size: Option<u64>,
        /// Number of local SSDs on each instance.
        local_ssd_count: Option<u64>,
        ..rest
    }
}

impl GcpAttributes {
    setters! {
        /// Which instances.
        with_availability(availability: some GcpAvailability);
        /// The first nodes on demand.
        with_first_on_demand(first_on_demand: value u64);
        /// The zone, `HA` or `AUTO`.
        with_zone(zone_id: some String);
        /// What the instances may do in Google Cloud.
        with_service_account(google_service_account: some String);
        /// Local SSDs on each instance.
        with_local_ssds(local_ssd_count: value u64);
    }
}
