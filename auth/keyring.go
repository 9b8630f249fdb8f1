package auth

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"maestro/problem"
	"maestro/tenancy"
)

// KeyRing holds the Ed25519 keys that sign access tokens, and the installation's
// secret from which other keys are derived. The newest key signs; an older one
// verifies until the tokens that it signed have expired, and is then deleted.
//
// Files: <number>-<kid>.pem (PKCS #8, one for each key, the number rising) and
// secret.key, unless the secret comes from elsewhere. Directory 0700, files 0600; a file that others may read stops the
// start, because what they read cannot be taken back.
type KeyRing struct {
	dir    string
	clock  Clock
	retain time.Duration // how long a key verifies after its successor came
	secret [32]byte

	mu      sync.Mutex // held by whoever changes the ring
	current atomic.Pointer[keySet]
}

// keySet is one state of the ring and never changes.
type keySet struct {
	keys []ringKey // the newest first; never empty
	jwks []byte
}

type ringKey struct {
	kid     string
	number  int
	private ed25519.PrivateKey
	public  ed25519.PublicKey
	created time.Time
	retired time.Time // when its successor came; zero for the newest
}

// SigningKey describes a key without its secret.
type SigningKey struct {
	ID        string        `json:"kid"`
	CreatedAt tenancy.Time  `json:"created_at"`
	RetiredAt *tenancy.Time `json:"retired_at" nullable:"true" doc:"When its successor took over signing; null for the key that signs"`
}

// MinKeyLife bounds how often keys are replaced on schedule: each lives on for the
// life of a token, and every token is looked at against all of them.
const MinKeyLife = time.Hour

// maxKeys bounds the ring, which every rotation makes larger for the life of a
// token.
const maxKeys = 256

// rotationMargin is added to the longest life of a token: a slow disk may keep a
// new key from signing for a while after the moment that it says it was made, and
// a clock that is set may put the two apart.
const rotationMargin = time.Minute

// OpenKeyRing opens the ring in dir and makes what is missing: the directory, the
// secret unless root is given, a first key. A token signed by a key is accepted for retain after the
// key was replaced; give it the longest life of a token.
func OpenKeyRing(dir string, root []byte, clock Clock, retain time.Duration) (*KeyRing, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("key ring: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, fmt.Errorf("key ring: %w", err)
	}
	if !info.IsDir() || ownsModes && info.Mode().Perm()&0o077 != 0 {
		return nil, &SecretError{dir, "must be a directory that only its owner may enter (chmod 700)"}
	}
	r := &KeyRing{dir: dir, clock: clock, retain: retain}
	if err := r.loadSecret(root, true); err != nil {
		return nil, err
	}
	keys, err := r.loadKeys()
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		first, err := r.makeKey(1)
		if err != nil {
			return nil, err
		}
		keys = []ringKey{first}
	}
	r.set(keys)
	return r, r.Prune()
}

// Derive returns a key for one purpose, the same at every call.
func (r *KeyRing) Derive(purpose string) [32]byte {
	key, err := hkdf.Key(sha256.New, r.secret[:], nil, "maestro "+purpose, 32)
	if err != nil {
		panic("auth: derive key: " + err.Error()) // 32 bytes are within HKDF's limit
	}
	return [32]byte(key)
}

// JWKS returns the JSON Web Key Set of every key that verifies now (RFC 7517,
// RFC 8037).
func (r *KeyRing) JWKS() []byte { return r.current.Load().jwks }

// Keys describes the keys, the newest first.
func (r *KeyRing) Keys() []SigningKey {
	var infos []SigningKey
	for _, k := range r.current.Load().keys {
		info := SigningKey{ID: k.kid, CreatedAt: tenancy.TimeOf(k.created)}
		if !k.retired.IsZero() {
			at := tenancy.TimeOf(k.retired)
			info.RetiredAt = &at
		}
		infos = append(infos, info)
	}
	return infos
}

// Rotate makes a new key and signs with it from now on. The key is on disk before
// it signs. Keys whose tokens have all expired are deleted. It fails with
// TooManyRequests while the ring is full of keys whose tokens have not.
func (r *KeyRing) Rotate() (SigningKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, err := r.rotate()
	if err != nil {
		return SigningKey{}, err
	}
	return SigningKey{ID: next.kid, CreatedAt: tenancy.TimeOf(next.created)}, nil
}

// rotateAfter is Rotate once the key that signs is of that age, and returns the new
// key's id, or none; 0 is for never.
func (r *KeyRing) rotateAfter(age time.Duration) (kid string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if age <= 0 || r.clock.Now().Before(r.current.Load().keys[0].created.Add(age)) {
		return "", nil
	}
	next, err := r.rotate()
	return next.kid, err
}

// rotate drops what has lapsed and puts a new key before the others. The caller
// holds the lock.
func (r *KeyRing) rotate() (ringKey, error) {
	now := r.clock.Now()
	if err := r.drop(func(k ringKey) bool { return r.lapsed(k, now) }); err != nil {
		return ringKey{}, err
	}
	old := r.current.Load().keys
	if len(old) >= maxKeys {
		return ringKey{}, &problem.Error{Code: problem.TooManyRequests, Detail: "The keys were rotated too often.",
			RetryAfter: max(old[len(old)-1].retired.Add(r.retain).Sub(now), time.Second)}
	}
	next, err := r.makeKey(old[0].number + 1)
	if err != nil {
		return ringKey{}, err
	}
	r.set(append([]ringKey{next}, old...))
	return next, nil
}

// Retire deletes a key at once: tokens signed by it are refused from now on. It
// fails with NotFound for an unknown key and with Conflict for the one that
// signs, which must be rotated first.
func (r *KeyRing) Retire(kid string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	keys := r.current.Load().keys
	i := slices.IndexFunc(keys, func(k ringKey) bool { return k.kid == kid })
	switch {
	case i < 0:
		return problem.New(problem.NotFound, "The key ring has no such key.")
	case i == 0:
		return problem.New(problem.Conflict, "This key signs. Rotate the keys first.")
	}
	return r.drop(func(k ringKey) bool { return k.kid == kid })
}

// CheckKeyRing reads the ring in a directory, as OpenKeyRing would, and what is
// sealed with its secret, and makes nothing.
func CheckKeyRing(dir string, root []byte) error {
	r := &KeyRing{dir: dir}
	if err := r.loadSecret(root, false); err != nil {
		return err
	}
	if _, err := readKeyset(r); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	keys, err := r.loadKeys()
	if err == nil && len(keys) == 0 {
		err = errors.New("key ring: there is no signing key")
	}
	return err
}

// DropSigningKeys deletes the signing keys in a directory that no ring has open.
// Whatever they signed is refused from then on; the next opening makes a new key.
func DropSigningKeys(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("key ring: %w", err)
	}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".pem") {
			continue
		}
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("key ring: delete key: %w", err)
		}
	}
	return nil
}

// Prune deletes the keys whose tokens have all expired.
func (r *KeyRing) Prune() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	return r.drop(func(k ringKey) bool { return r.lapsed(k, now) })
}

func (r *KeyRing) lapsed(k ringKey, now time.Time) bool {
	return !k.retired.IsZero() && !now.Before(k.retired.Add(r.retain))
}

// drop removes keys from memory, then from the disk. The caller holds the lock.
func (r *KeyRing) drop(gone func(ringKey) bool) error {
	var kept, dropped []ringKey
	for _, k := range r.current.Load().keys {
		if gone(k) {
			dropped = append(dropped, k)
		} else {
			kept = append(kept, k)
		}
	}
	if len(dropped) == 0 {
		return nil
	}
	r.set(kept)
	for _, k := range dropped {
		if err := os.Remove(filepath.Join(r.dir, k.file())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("key ring: delete key: %w", err)
		}
	}
	return syncDir(r.dir)
}

// set installs keys, the newest first, as the state of the ring.
func (r *KeyRing) set(keys []ringKey) {
	keys = slices.Clone(keys)
	type jwk struct {
		KeyType string `json:"kty"`
		Curve   string `json:"crv"`
		X       string `json:"x"`
		ID      string `json:"kid"`
		Use     string `json:"use"`
		Alg     string `json:"alg"`
	}
	document := struct {
		Keys []jwk `json:"keys"`
	}{}
	for i := range keys {
		keys[i].retired = time.Time{}
		if i > 0 {
			keys[i].retired = keys[i-1].created
		}
		document.Keys = append(document.Keys, jwk{"OKP", "Ed25519", base64.RawURLEncoding.EncodeToString(keys[i].public), keys[i].kid, "sig", signingAlgorithm})
	}
	encoded, err := json.Marshal(document)
	if err != nil {
		panic("auth: encode JWKS: " + err.Error()) // strings always encode
	}
	r.current.Store(&keySet{keys: keys, jwks: encoded})
}

// find returns the key named kid, if it still verifies at now. kid is hostile
// text: it is compared and nothing else.
func (r *KeyRing) find(set *keySet, kid string, now time.Time) (ed25519.PublicKey, bool) {
	for i := range set.keys {
		if set.keys[i].kid == kid {
			return set.keys[i].public, !r.lapsed(set.keys[i], now)
		}
	}
	return nil, false
}

func (k *ringKey) file() string { return fmt.Sprintf("%08d-%s.pem", k.number, k.kid) }

const (
	pemType    = "PRIVATE KEY"
	pemCreated = "Created"
)

func (r *KeyRing) makeKey(number int) (ringKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return ringKey{}, fmt.Errorf("key ring: %w", err)
	}
	k := ringKey{number: number, private: private, public: public, created: r.clock.Now().UTC().Truncate(time.Second), kid: thumbprint(public)}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return ringKey{}, fmt.Errorf("key ring: %w", err)
	}
	block := &pem.Block{Type: pemType, Headers: map[string]string{pemCreated: k.created.Format(time.RFC3339)}, Bytes: der}
	return k, writeSecret(r.dir, k.file(), pem.EncodeToMemory(block))
}

// thumbprint is the key's RFC 7638 thumbprint.
func thumbprint(public ed25519.PublicKey) string {
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + base64.RawURLEncoding.EncodeToString(public) + `"}`))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// loadKeys reads the keys, the newest first.
func (r *KeyRing) loadKeys() ([]ringKey, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, fmt.Errorf("key ring: %w", err)
	}
	var keys []ringKey
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".pem") {
			continue
		}
		k, err := readKey(r.dir, entry.Name())
		if err != nil {
			return nil, fmt.Errorf("key ring: %s: %w", entry.Name(), err)
		}
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b ringKey) int { return b.number - a.number })
	return keys, nil
}

func readKey(dir, name string) (ringKey, error) {
	content, err := readSecret(dir, name)
	if err != nil {
		return ringKey{}, err
	}
	block, rest := pem.Decode(content)
	if block == nil || block.Type != pemType || len(rest) != 0 {
		return ringKey{}, fmt.Errorf("not one PEM private key")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return ringKey{}, fmt.Errorf("not a PKCS #8 key")
	}
	private, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return ringKey{}, fmt.Errorf("not an Ed25519 key")
	}
	created, err := time.Parse(time.RFC3339, block.Headers[pemCreated])
	if err != nil {
		return ringKey{}, fmt.Errorf("no time of creation")
	}
	digits, _, _ := strings.Cut(name, "-")
	number, err := strconv.Atoi(digits)
	if err != nil {
		return ringKey{}, fmt.Errorf("no number in the name")
	}
	public := private.Public().(ed25519.PublicKey)
	k := ringKey{kid: thumbprint(public), number: number, private: private, public: public, created: created}
	if k.file() != name {
		return ringKey{}, fmt.Errorf("the name does not fit the key")
	}
	return k, nil
}
