package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
)

// A device token proves that somebody logged in to an account from this client
// before (OWASP: device cookies). It opens nothing. It gives the client a counter
// of its own in the Throttle, so that guesses by strangers do not delay it.
//
//	msd_ base64url( nonce(16) expiry(8) MAC(32) ), the MAC covering tenant and user
//
// It is the account's and not the e-mail's: whoever has an account of that e-mail in
// another tenant must not pass for a client of this one.
type deviceMint struct {
	key   [32]byte
	clock Clock
}

const (
	deviceLife  = 90 * 24 * time.Hour
	deviceBytes = 16 + 8 + sha256.Size
	deviceChars = (deviceBytes*8 + 5) / 6
)

func newDeviceMint(ring *KeyRing, clock Clock) *deviceMint {
	return &deviceMint{key: ring.Derive("device token"), clock: clock}
}

func (m *deviceMint) issue(key UserKey) string {
	raw := make([]byte, 16, deviceBytes)
	rand.Read(raw)
	raw = binary.BigEndian.AppendUint64(raw, uint64(m.clock.Now().Add(deviceLife).Unix()))
	raw = append(raw, m.mac(raw, key)...)
	return devicePrefix + base64.RawURLEncoding.EncodeToString(raw)
}

// holds reports whether text was issued for the account and has not expired,
// and returns what names the device.
func (m *deviceMint) holds(text string, key UserKey) (device string, ok bool) {
	encoded, ok := strings.CutPrefix(text, devicePrefix)
	if !ok || len(encoded) != deviceChars {
		return "", false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(raw) != deviceBytes {
		return "", false
	}
	if !hmac.Equal(raw[24:], m.mac(raw[:24], key)) {
		return "", false
	}
	if m.clock.Now().Unix() >= int64(binary.BigEndian.Uint64(raw[16:24])) {
		return "", false
	}
	return string(raw[:16]), true
}

func (m *deviceMint) mac(head []byte, key UserKey) []byte {
	mac := hmac.New(sha256.New, m.key[:])
	mac.Write(head) // always 24 bytes
	mac.Write(key.Tenant[:])
	mac.Write(key.User[:])
	return mac.Sum(nil)
}
