package keypair

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"

	"github.com/stschain-go/stschain"
)

// errWrongPassword is the error of a key that cannot be decrypted.
var errWrongPassword = errors.New("it cannot be decrypted: the password is wrong, or the file is damaged")

const maxIterations = 2_000_000 // about a second; the default of openssl is 2048

// decrypt decrypts a PKCS #8 private key that is encrypted with PBES2, PBKDF2 and AES-CBC (RFC 5958, RFC 8018).
func decrypt(der []byte, password stschain.Secret) ([]byte, error) {
	var file struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	var scheme struct{ KDF, Cipher pkix.AlgorithmIdentifier }
	var kdf struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		Hash       pkix.AlgorithmIdentifier `asn1:"optional"`
	}
	var iv []byte
	if !parse(der, &file) {
		return nil, errors.New("its ENCRYPTED PRIVATE KEY is malformed")
	}
	if id := file.Algorithm.Algorithm.String(); id != "1.2.840.113549.1.5.13" || !parse(file.Algorithm.Parameters.FullBytes, &scheme) {
		return nil, unsupported("scheme", id)
	}
	if id := scheme.KDF.Algorithm.String(); id != "1.2.840.113549.1.5.12" || !parse(scheme.KDF.Parameters.FullBytes, &kdf) {
		return nil, unsupported("key derivation", id)
	}
	prf := "1.2.840.113549.2.7" // the default, hmacWithSHA1
	if kdf.Hash.Algorithm != nil {
		prf = kdf.Hash.Algorithm.String()
	}
	newHash, size := hashes[prf], keySizes[scheme.Cipher.Algorithm.String()]
	switch {
	case newHash == nil:
		return nil, unsupported("hash", prf)
	case size == 0 || !parse(scheme.Cipher.Parameters.FullBytes, &iv) || len(iv) != aes.BlockSize:
		return nil, unsupported("cipher", scheme.Cipher.Algorithm.String())
	case kdf.Iterations < 1 || kdf.Iterations > maxIterations:
		return nil, fmt.Errorf("its encryption has %d iterations; 1 to %d are supported", kdf.Iterations, maxIterations)
	case kdf.KeyLength != 0 && kdf.KeyLength != size, len(file.Data) == 0 || len(file.Data)%aes.BlockSize != 0:
		return nil, errors.New("its ENCRYPTED PRIVATE KEY is malformed")
	}
	key, err := pbkdf2.Key(newHash, password.Reveal(), kdf.Salt, kdf.Iterations, size)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(file.Data, file.Data)
	padding := int(file.Data[len(file.Data)-1])
	if padding < 1 || padding > aes.BlockSize {
		return nil, errWrongPassword
	}
	return file.Data[:len(file.Data)-padding], nil
}

func parse(der []byte, v any) bool {
	rest, err := asn1.Unmarshal(der, v)
	return err == nil && len(rest) == 0
}

func unsupported(what, id string) error {
	return fmt.Errorf("its encryption has the %s %s, which is not supported: convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc`", what, id)
}

// hashes are the pseudorandom functions, HMAC with these.
var hashes = map[string]func() hash.Hash{
	"1.2.840.113549.2.7":  sha1.New,
	"1.2.840.113549.2.8":  sha256.New224,
	"1.2.840.113549.2.9":  sha256.New,
	"1.2.840.113549.2.10": sha512.New384,
	"1.2.840.113549.2.11": sha512.New,
}

// keySizes are those of AES-CBC, in bytes.
var keySizes = map[string]int{
	"2.16.840.1.101.3.4.1.2":  16,
	"2.16.840.1.101.3.4.1.22": 24,
	"2.16.840.1.101.3.4.1.42": 32,
}
