package shared

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
)

// schema is the version of names and values. Versions do not see each other's entries.
const schema = "stschain-shared-1"

const maxSealed = 64 << 10

// sealer seals and opens the values of a Provider, by AES-256-GCM with random nonces. The name of the entry and
// the generation are authenticated too, so a value opens only where it was saved.
type sealer struct {
	naming []byte
	aeads  []cipher.AEAD
}

func newSealer(keys []stschain.Secret, naming stschain.Secret) (*sealer, error) {
	if len(keys) == 0 {
		return nil, errors.New("Keys is required: 32 random bytes, the same in all processes")
	}
	s := &sealer{}
	for i, secret := range append([]stschain.Secret{naming}, keys...) {
		field := "NamingKey"
		if i > 0 {
			field = fmt.Sprintf("Keys[%d]", i-1)
		}
		key := []byte(secret.Reveal())
		if len(key) != 32 {
			return nil, fmt.Errorf("%s has %d bytes, and 32 random ones are required: decode it if it is hexadecimal or base64", field, len(key))
		}
		if i == 0 {
			s.naming = key
			continue
		}
		key, err := hkdf.Key(sha256.New, key, nil, schema+" seal", 32)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		s.aeads = append(s.aeads, aead)
	}
	return s, nil
}

// name is the name of an identity's entry in the store. It does not show what the identity is.
func (s *sealer) name(id stschain.Identity) string {
	h := hmac.New(sha256.New, s.naming)
	digest := id.Digest()
	h.Write([]byte(schema))
	h.Write(digest[:])
	return hex.EncodeToString(h.Sum(nil))
}

// record is what is sealed.
type record struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Account, Origin                            string
	Life                                       time.Duration // when it was sealed
	Ends                                       time.Time     // by the clock of the process that sealed it
}

// entry is where a value belongs.
type entry struct {
	name     string
	identity stschain.Identity
	account  string // that its credentials must have; "": any
}

func (e entry) associated(generation uint64) []byte {
	digest := e.identity.Digest()
	return binary.BigEndian.AppendUint64(append([]byte(schema+e.name), digest[:]...), generation)
}

// seal returns the value that follows the one of generation.
func (s *sealer) seal(e entry, creds stschain.Credentials, generation uint64, now time.Time) (Value, error) {
	left := creds.Expires.Sub(now)
	plain, err := json.Marshal(record{
		AccessKeyID:     creds.AccessKeyID,
		SecretAccessKey: creds.SecretAccessKey.Reveal(),
		SessionToken:    creds.SessionToken.Reveal(),
		Account:         creds.AccountID,
		Origin:          creds.Origin,
		Life:            left,
		Ends:            creds.Expires.UTC(),
	})
	if err != nil {
		return Value{}, err
	}
	return Value{s.aeads[0].Seal(nil, nil, plain, e.associated(generation+1)), left, generation}, nil
}

// open opens a value and checks it. The errors say why it cannot be used.
func (s *sealer) open(e entry, v Value) (record, error) {
	if len(v.Sealed) > maxSealed {
		return record{}, fmt.Errorf("it has %d bytes, and at most %d are allowed", len(v.Sealed), maxSealed)
	}
	for _, aead := range s.aeads {
		plain, err := aead.Open(nil, nil, v.Sealed, e.associated(v.Generation))
		if err != nil {
			continue
		}
		var r record
		if err := json.Unmarshal(plain, &r); err != nil {
			return record{}, errors.New("it is not a record of credentials")
		}
		return r, r.check(e.account, v.Left)
	}
	return record{}, errors.New("no key opens it: it was changed or moved, or sealed with another key")
}

// check checks what any holder of a key could have sealed.
func (r record) check(account string, left time.Duration) error {
	switch {
	case r.AccessKeyID == "" || r.SecretAccessKey == "":
		return errors.New("it has no complete credentials")
	case redact.MalformedID("", r.AccessKeyID) != nil, redact.Malformed("", r.SecretAccessKey) != nil, redact.Malformed("", r.SessionToken) != nil:
		return errors.New("its credentials are malformed")
	case account != "" && r.Account != account:
		return fmt.Errorf("it is for account %.12q, and %s is required", r.Account, account)
	case r.Life <= 0 || r.Life > maxLife:
		return fmt.Errorf("it is valid for %v, and at most %v are allowed", r.Life, maxLife)
	case left <= 0:
		return errors.New("it has expired")
	case left > r.Life+5*time.Minute:
		return fmt.Errorf("the store keeps it for %v, longer than its lifetime of %v", left, r.Life)
	}
	return nil
}

func (r record) credentials(expires time.Time) stschain.Credentials {
	return stschain.Credentials{
		AccessKeyID:     r.AccessKeyID,
		SecretAccessKey: stschain.NewSecret(r.SecretAccessKey),
		SessionToken:    stschain.NewSecret(r.SessionToken),
		AccountID:       r.Account,
		Origin:          r.Origin,
		Expires:         expires,
	}
}
