package stsquery

import "strings"

// partition is a part of AWS with its own regions and host names.
type partition struct {
	name      string
	prefix    string // its regions are this, a word, a hyphen and a number
	suffix    string // its STS hosts are sts.<region>.<suffix>
	dualStack string // the same for hosts that speak IPv6 as well
	fips      string // what FIPS hosts begin with; dual-stack ones always with "sts-fips."
}

// partitions are all there are; the first one has the regions that fit no other.
var partitions = [...]partition{
	{"aws", "", "amazonaws.com", "api.aws", "sts-fips."},
	{"aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn", "sts-fips."},
	{"aws-eusc", "eusc-de-", "amazonaws.eu", "api.amazonwebservices.eu", "sts-fips."},
	{"aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov", "sts-fips."},
	{"aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud", "sts-fips."},
	{"aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", "sts-fips."},
	{"aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov", "sts-fips."},
	{"aws-us-gov", "us-gov-", "amazonaws.com", "api.aws", "sts."},
}

func partitionOf(region string) partition {
	for _, p := range partitions[1:] {
		if region == p.name+"-global" {
			return p
		}
		if rest, ok := strings.CutPrefix(region, p.prefix); ok && wordAndNumber(rest) {
			return p
		}
	}
	return partitions[0]
}

// host is that of STS for a region.
func (p partition) host(region string, fips, dualStack bool) string {
	switch {
	case fips && dualStack:
		return "sts-fips." + region + "." + p.dualStack
	case fips:
		return p.fips + region + "." + p.suffix
	case dualStack:
		return "sts." + region + "." + p.dualStack
	}
	return "sts." + region + "." + p.suffix
}

// isAWS reports whether a host is under a domain of AWS.
func isAWS(host string) bool {
	host = "." + strings.ToLower(strings.TrimSuffix(host, "."))
	for _, p := range partitions {
		if strings.HasSuffix(host, "."+p.suffix) || strings.HasSuffix(host, "."+p.dualStack) {
			return true
		}
	}
	return false
}

// wordAndNumber matches ^\w+-\d+$, the end of every region's name.
func wordAndNumber(s string) bool {
	word, number, ok := strings.Cut(s, "-")
	return ok && word != "" && number != "" &&
		strings.IndexFunc(word, func(r rune) bool { return !isWord(r) }) < 0 &&
		strings.IndexFunc(number, func(r rune) bool { return !isDigit(r) }) < 0
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

func isLetter(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }

// isWord is \w of the patterns in the STS reference.
func isWord(r rune) bool { return isLetter(r) || isDigit(r) || r == '_' }
