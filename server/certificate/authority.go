package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The files of a local authority, in its directory.
const (
	rootFile    = "root.pem"
	rootKeyFile = "root.key"
	leafFile    = "server.pem"
	leafKeyFile = "server.key"
)

// Lives of what the local authority signs. A leaf is renewed when a third of its
// life is left.
const (
	rootLife  = 10 * 365 * 24 * time.Hour
	leafLife  = 90 * 24 * time.Hour
	renewLeft = leafLife / 3
	clockSlip = time.Hour // certificates begin this long ago, for clocks that are behind
)

// LeafFile returns where an authority in dir keeps the server's certificate.
func LeafFile(dir string) string { return filepath.Join(dir, leafFile) }

// Authority is the installation's own certificate authority: made once, able to
// vouch only for the names it was made for and for private addresses.
type Authority struct {
	dir  string
	now  func() time.Time
	root *x509.Certificate
	key  crypto.Signer
}

// privateRanges are the addresses that a local authority may vouch for: loopback,
// private and link-local (RFC 1918, 4193, 3927, 4291).
var privateRanges = []string{"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "::1/128", "fc00::/7", "fe80::/10"}

// OpenAuthority opens the authority of dir, or makes it for names (DNS names and IP
// addresses; localhost and the private ranges always belong to it).
func OpenAuthority(dir string, names []string, now func() time.Time) (*Authority, error) {
	a := &Authority{dir: dir, now: now}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	err := a.load()
	if errors.Is(err, fs.ErrNotExist) {
		err = a.create(names)
	}
	return a, err
}

// Root returns the authority's certificate in PEM, and the SHA-256 of it in hex,
// by which people compare it.
func (a *Authority) Root() (text []byte, fingerprint string) {
	sum := sha256.Sum256(a.root.Raw)
	return encodeCertificate(a.root.Raw), hex.EncodeToString(sum[:])
}

// Certificate returns the authority's own certificate.
func (a *Authority) Certificate() *x509.Certificate { return a.root }

// Files returns where Renew leaves the server's certificate and key.
func (a *Authority) Files() (certFile, keyFile string) {
	return filepath.Join(a.dir, leafFile), filepath.Join(a.dir, leafKeyFile)
}

// Renew issues a certificate for names unless the one there is for the same names
// and has more than a third of its life left; force issues in any case. It reports
// whether it did.
func (a *Authority) Renew(names []string, force bool) (bool, error) {
	dns, addresses, err := split(names)
	if err != nil {
		return false, err
	}
	if !force && a.current(dns, addresses) {
		return false, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return false, err
	}
	now := a.now()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Maestro"},
		NotBefore: now.Add(-clockSlip), NotAfter: earlier(now.Add(leafLife), a.root.NotAfter),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: dns, IPAddresses: addresses, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.root, key.Public(), a.key)
	if err != nil {
		return false, err
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		return false, err
	}
	if err := a.verify(leaf); err != nil {
		return false, fmt.Errorf("the local authority was not made for all of %s: %w; remove %s and %s to make a new one, which everybody has to trust anew",
			strings.Join(names, ", "), err, filepath.Join(a.dir, rootFile), filepath.Join(a.dir, rootKeyFile))
	}
	encoded, err := encodeKey(key)
	if err != nil {
		return false, err
	}
	certFile, keyFile := a.Files()
	// A reader between the two sees a pair that does not fit, and keeps the old one.
	if err := write(keyFile, encoded); err != nil {
		return false, err
	}
	return true, write(certFile, append(encodeCertificate(raw), encodeCertificate(a.root.Raw)...))
}

// current reports whether the leaf that is there will do.
func (a *Authority) current(dns []string, addresses []net.IP) bool {
	certFile, keyFile := a.Files()
	text, err := os.ReadFile(certFile)
	if err != nil {
		return false
	}
	if _, err := os.Stat(keyFile); err != nil {
		return false
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return false
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil || leaf.CheckSignatureFrom(a.root) != nil {
		return false
	}
	return slices.Equal(leaf.DNSNames, dns) && slices.EqualFunc(leaf.IPAddresses, addresses, net.IP.Equal) &&
		a.now().Add(renewLeft).Before(leaf.NotAfter) && a.now().After(leaf.NotBefore)
}

// verify checks that clients which trust the root will take the leaf.
func (a *Authority) verify(leaf *x509.Certificate) error {
	roots := x509.NewCertPool()
	roots.AddCert(a.root)
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: a.now()})
	return err
}

func (a *Authority) load() error {
	if err := checkKeyMode(filepath.Join(a.dir, rootKeyFile)); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(a.dir, rootFile))
	if err != nil {
		return err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return fmt.Errorf("%s: holds no certificate in PEM", filepath.Join(a.dir, rootFile))
	}
	if a.root, err = x509.ParseCertificate(block.Bytes); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(a.dir, rootFile), err)
	}
	text, err = os.ReadFile(filepath.Join(a.dir, rootKeyFile))
	if err != nil {
		return err
	}
	if block, _ = pem.Decode(text); block == nil {
		return fmt.Errorf("%s: holds no key in PEM", filepath.Join(a.dir, rootKeyFile))
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("%s: cannot be read", filepath.Join(a.dir, rootKeyFile)) // its text may hold the key
	}
	signer, ok := key.(*ecdsa.PrivateKey)
	if !ok || !signer.PublicKey.Equal(a.root.PublicKey) {
		return fmt.Errorf("%s: is not the key of %s", filepath.Join(a.dir, rootKeyFile), rootFile)
	}
	a.key = signer
	return nil
}

func (a *Authority) create(names []string) error {
	dns, addresses, err := split(names)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := a.now()
	id := make([]byte, 4)
	_, _ = rand.Read(id) // never fails
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Maestro local authority " + hex.EncodeToString(id)},
		NotBefore: now.Add(-clockSlip), NotAfter: now.Add(rootLife),
		KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: append([]string{"localhost"}, dns...),
	}
	for _, text := range privateRanges {
		_, block, err := net.ParseCIDR(text)
		if err != nil {
			return err
		}
		template.PermittedIPRanges = append(template.PermittedIPRanges, block)
	}
	for _, address := range addresses {
		bits := 8 * len(address)
		template.PermittedIPRanges = append(template.PermittedIPRanges, &net.IPNet{IP: address, Mask: net.CIDRMask(bits, bits)})
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	if a.root, err = x509.ParseCertificate(raw); err != nil {
		return err
	}
	a.key = key
	encoded, err := encodeKey(key)
	if err != nil {
		return err
	}
	if err := write(filepath.Join(a.dir, rootKeyFile), encoded); err != nil {
		return err
	}
	return write(filepath.Join(a.dir, rootFile), encodeCertificate(raw))
}

// split tells DNS names from addresses, without repetition.
func split(names []string) (dns []string, addresses []net.IP, err error) {
	for _, name := range names {
		if address, err := netip.ParseAddr(name); err == nil {
			ip := net.IP(address.Unmap().WithZone("").AsSlice())
			if !slices.ContainsFunc(addresses, ip.Equal) {
				addresses = append(addresses, ip)
			}
			continue
		}
		name = strings.ToLower(name)
		if name == "" || len(name) > 253 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" || strings.HasPrefix(name, ".") {
			return nil, nil, fmt.Errorf("%q is neither a DNS name nor an IP address", name)
		}
		if !slices.Contains(dns, name) {
			dns = append(dns, name)
		}
	}
	return dns, addresses, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// serial returns a random serial number of 127 bits (RFC 5280 allows 20 octets).
func serial() *big.Int {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b)
}

func encodeCertificate(raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), nil
}

// write replaces a file of mode 0600 at once: a reader sees the old or the new.
func write(path string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if _, err := f.Write(text); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
