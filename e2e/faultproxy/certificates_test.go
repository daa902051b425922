package faultproxy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"sync"
	"time"
)

// certificates are of a certificate authority made for the tests.
type certificates struct {
	pool                        *x509.CertPool
	server, otherHost, outdated tls.Certificate
}

var authority = sync.OnceValue(func() *certificates {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		return k
	}
	now := time.Now()
	rootKey := key()
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an authority for tests"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(48 * time.Hour),
	}
	raw, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	must(err)
	root, err = x509.ParseCertificate(raw)
	must(err)
	issue := func(c x509.Certificate) tls.Certificate {
		leafKey := key()
		c.SerialNumber, c.NotBefore = big.NewInt(2), now.Add(-24*time.Hour)
		raw, err := x509.CreateCertificate(rand.Reader, &c, root, leafKey.Public(), rootKey)
		must(err)
		return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: leafKey}
	}
	loopback := []net.IP{net.IPv4(127, 0, 0, 1)}
	a := &certificates{
		pool:      x509.NewCertPool(),
		server:    issue(x509.Certificate{IPAddresses: loopback, NotAfter: now.Add(24 * time.Hour)}),
		otherHost: issue(x509.Certificate{DNSNames: []string{"other.example"}, NotAfter: now.Add(24 * time.Hour)}),
		outdated:  issue(x509.Certificate{IPAddresses: loopback, NotAfter: now.Add(-time.Hour)}),
	}
	a.pool.AddCert(root)
	return a
})

func serverTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{authority().server}}
}

func otherHostTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{authority().otherHost}}
}

func expiredTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{authority().outdated}}
}

func oldTLS() *tls.Config {
	c := serverTLS()
	c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
	return c
}
