package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"strings"
)

// Every opaque credential has a prefix that says what it is, so that one kind is
// never taken for another and secret scanners find it.
const (
	apiTokenPrefix   = "mst_"
	refreshPrefix    = "msr_"
	invitationPrefix = "msi_"
	resetPrefix      = "msp_"
	setupPrefix      = "mss_"
	devicePrefix     = "msd_"
)

// Digest is the SHA-256 of an opaque credential's text: all that is kept of it.
type Digest [sha256.Size]byte

func digestOf(text string) Digest { return sha256.Sum256([]byte(text)) }

// An opaque secret is its prefix and the base64url of 256 random bits followed by
// a CRC-32 of prefix and bits. 36 bytes are 48 characters exactly, so each secret
// has one spelling. The checksum spares a lookup for typing errors; it proves
// nothing.
const (
	secretBytes = 32
	secretChars = (secretBytes + crc32.Size) / 3 * 4
)

func newSecret(prefix string) string {
	var raw [secretBytes + crc32.Size]byte
	rand.Read(raw[:secretBytes]) // never fails: the program ends instead
	binary.BigEndian.PutUint32(raw[secretBytes:], secretChecksum(prefix, raw[:secretBytes]))
	return prefix + base64.RawURLEncoding.EncodeToString(raw[:])
}

// parseSecret checks the form of a secret of one kind and returns its digest.
func parseSecret(prefix, text string) (Digest, bool) {
	body, ok := strings.CutPrefix(text, prefix)
	if !ok || len(body) != secretChars {
		return Digest{}, false
	}
	var raw [secretBytes + crc32.Size]byte
	if n, err := base64.RawURLEncoding.Decode(raw[:], []byte(body)); err != nil || n != len(raw) {
		return Digest{}, false // a line break inside is skipped by the decoder and leaves fewer bytes
	}
	if binary.BigEndian.Uint32(raw[secretBytes:]) != secretChecksum(prefix, raw[:secretBytes]) {
		return Digest{}, false
	}
	return digestOf(text), true
}

func secretChecksum(prefix string, random []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE([]byte(prefix)), crc32.IEEETable, random)
}
