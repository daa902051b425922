package wire

// Domain is the domain of the hosts of AWS in a region, "amazonaws.com" in most.
func Domain(region string) string { return partitionOf(region).suffix }
