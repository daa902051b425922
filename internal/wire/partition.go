package wire

import "strings"

// partition is a part of AWS with its own regions and host names.
type partition struct {
	name      string
	prefix    string // its regions are this, a word, a hyphen and a number
	suffix    string // its hosts are <service>.<region>.<suffix>
	dualStack string // the same for hosts with IPv6
	plainFIPS bool   // its hosts are FIPS by their common names, except dual-stack ones
	signIn    string // its sign-in hosts are <region>.<signIn>
}

// partitions are the known partitions; the first one applies to regions that match no other. Source: the partitions
// and endpoint rules of the AWS SDKs.
var partitions = [...]partition{
	{"aws", "", "amazonaws.com", "api.aws", false, "signin.aws.amazon.com"},
	{"aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn", false, "signin.amazonaws.cn"},
	{"aws-eusc", "eusc-de-", "amazonaws.eu", "api.amazonwebservices.eu", false, "signin.amazonaws-eusc.eu"},
	{"aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov", false, "signin.c2shome.ic.gov"},
	{"aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud", false, "signin.sc2shome.sgov.gov"},
	{"aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", false, "signin.csphome.adc-e.uk"},
	{"aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov", false, "signin.csphome.hci.ic.gov"},
	{"aws-us-gov", "us-gov-", "amazonaws.com", "api.aws", true, "signin.amazonaws-us-gov.com"},
}

func partitionOf(region string) *partition {
	for i := range partitions[1:] {
		p := &partitions[1+i]
		if region == p.name+"-global" {
			return p
		}
		if rest, ok := strings.CutPrefix(region, p.prefix); ok && wordAndNumber(rest) {
			return p
		}
	}
	return &partitions[0]
}

// ServiceHost is the host of a service in a region, for services whose hosts have the common form: STS,
// and the portal and the OIDC service of IAM Identity Center.
func ServiceHost(service, region string, fips, dualStack bool) string {
	p := partitionOf(region)
	if fips && (dualStack || !p.plainFIPS) {
		service += "-fips"
	}
	suffix := p.suffix
	if dualStack {
		suffix = p.dualStack
	}
	return service + "." + region + "." + suffix
}

// SignInHost is the host that redeems the refresh tokens of `aws login` in a region. Source: the endpoint
// rules of the AWS SDKs for the service signin.
func SignInHost(region string, fips, dualStack bool) string {
	p := partitionOf(region)
	fipsHost := strings.Replace(p.signIn, "signin", "signin-fips", 1)
	switch {
	case fips && !dualStack && region == "us-gov-west-1":
		return fipsHost
	case fips && !dualStack && p.plainFIPS:
		return region + "." + fipsHost
	case fips, dualStack:
		return ServiceHost("signin", region, fips, dualStack)
	}
	return region + "." + p.signIn
}

// SignInDomain returns the partition of a region, and the domain of the partition's sign-in hosts.
func SignInDomain(region string) (partition, domain string) {
	p := partitionOf(region)
	return p.name, p.signIn
}

// SamePartition reports whether two regions are of one partition.
func SamePartition(a, b string) bool { return partitionOf(a) == partitionOf(b) }

// Fallback returns those of the regions that a client for a region, or for a configured endpoint, may fall back to:
// none for an endpoint, otherwise those of the same partition.
func Fallback(region, endpoint string, regions []string) (list []string) {
	for _, other := range regions {
		if region != "" && endpoint == "" && SamePartition(other, region) {
			list = append(list, other)
		}
	}
	return list
}

// IsAWSHost reports whether a host is under a domain of AWS.
func IsAWSHost(host string) bool {
	host = "." + strings.ToLower(strings.TrimSuffix(host, "."))
	for i := range partitions {
		p := &partitions[i]
		if strings.HasSuffix(host, "."+p.suffix) || strings.HasSuffix(host, "."+p.dualStack) {
			return true
		}
	}
	return false
}

// wordAndNumber matches ^\w+-\d+$, the end of every region's name.
func wordAndNumber(s string) bool {
	word, number, ok := strings.Cut(s, "-")
	return ok && word != "" && number != "" && ConsistsOf(word, "_") &&
		strings.IndexFunc(number, func(r rune) bool { return !isDigit(r) }) < 0
}
