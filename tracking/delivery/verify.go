package delivery

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// Header returns the value of a header that the delivery has exactly once, and ""
// otherwise.
type Header func(name string) string

// Tolerance is how far the signed time of a delivery may be from this clock, as
// Standard Webhooks recommends.
const Tolerance = 5 * time.Minute

// SecretPrefix begins a secret whose rest is the base64 of the key, in Standard
// Webhooks' form. Providers with another form take the whole text as the key.
const SecretPrefix = "whsec_"

// Verify reports whether a delivery was signed with the secret, by the provider's
// own form of signature:
//
//   - github: X-Hub-Signature-256, "sha256=" and the hexadecimal HMAC-SHA256 of the body
//     (docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries).
//   - gitlab: webhook-signature where it is there (Standard Webhooks), otherwise
//     X-Gitlab-Token, which is the secret itself
//     (docs.gitlab.com/user/project/integrations/webhooks).
//   - gitea, forgejo: X-Gitea-Signature, X-Forgejo-Signature, the hexadecimal
//     HMAC-SHA256 of the body (docs.gitea.com/usage/webhooks, forgejo.org/docs/latest/user/webhooks).
//   - generic: webhook-signature.
//
// Signatures are compared in constant time.
func Verify(provider string, secret []byte, header Header, body []byte, now time.Time) bool {
	switch provider {
	case "github":
		signature, ok := strings.CutPrefix(header("X-Hub-Signature-256"), "sha256=")
		return ok && bodyHolds(secret, signature, body)
	case "gitea":
		return bodyHolds(secret, header("X-Gitea-Signature"), body)
	case "forgejo":
		return bodyHolds(secret, header("X-Forgejo-Signature"), body)
	case "gitlab":
		if !signedStandard(header) {
			return sameSecret(secret, header("X-Gitlab-Token"))
		}
		return standardHolds(secret, header, body, now)
	case "generic":
		return standardHolds(secret, header, body, now)
	}
	return false
}

func bodyHolds(secret []byte, signature string, body []byte) bool {
	given, err := hex.DecodeString(signature)
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return hmac.Equal(mac.Sum(nil), given) && err == nil
}

// sameSecret compares digests, so that not even the length shows.
func sameSecret(secret []byte, given string) bool {
	want, got := sha256.Sum256(secret), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// signedStandard reports whether the delivery has any part of a signature in
// Standard Webhooks' form: then that is what it must hold by.
func signedStandard(header Header) bool {
	return header("Webhook-Signature") != "" || header("Webhook-Timestamp") != ""
}

// maxDeliveryID bounds the id of a delivery, in bytes.
const maxDeliveryID = 255

// standardHolds checks a signature of Standard Webhooks
// (github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md): "v1," and the base64
// of the HMAC-SHA256 of id, time in Unix seconds and body, joined by full stops.
// There may be several, for a secret that is being replaced. An id with a full
// stop is refused, because id and time could be told apart in two ways.
func standardHolds(secret []byte, header Header, body []byte, now time.Time) bool {
	id := header("Webhook-Id")
	if id == "" || len(id) > maxDeliveryID || strings.Contains(id, ".") {
		return false
	}
	at, ok := standardTime(header)
	if !ok || now.Sub(at).Abs() > Tolerance {
		return false
	}
	mac := hmac.New(sha256.New, standardKey(secret))
	for _, part := range []string{id, ".", header("Webhook-Timestamp"), "."} {
		mac.Write([]byte(part))
	}
	mac.Write(body)
	want := mac.Sum(nil)
	holds := false
	for _, signature := range strings.Fields(header("Webhook-Signature")) {
		encoded, ok := strings.CutPrefix(signature, "v1,")
		given, err := base64.StdEncoding.DecodeString(encoded)
		holds = hmac.Equal(want, given) && ok && err == nil || holds
	}
	return holds
}

func standardTime(header Header) (time.Time, bool) {
	seconds, err := strconv.ParseInt(header("Webhook-Timestamp"), 10, 64)
	return time.Unix(seconds, 0), err == nil
}

// signedAt returns when a delivery was signed, where its signature covers that.
func signedAt(provider string, header Header) (time.Time, bool) {
	if provider != "generic" && (provider != "gitlab" || !signedStandard(header)) {
		return time.Time{}, false
	}
	return standardTime(header)
}

func standardKey(secret []byte) []byte {
	if encoded, ok := strings.CutPrefix(string(secret), SecretPrefix); ok {
		if key, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			return key
		}
	}
	return secret
}

// Marks returns what a delivery that holds is remembered by: the digest of its
// body and, where the signature covers an id, of that. All of it is signed, so a
// replay cannot differ in it; ids in other headers could be changed on the way.
func Marks(provider string, header Header, body []byte) [][sha256.Size]byte {
	marks := [][sha256.Size]byte{sha256.Sum256(append([]byte("body\x00"), body...))}
	if _, signed := signedAt(provider, header); signed {
		marks = append(marks, sha256.Sum256([]byte("id\x00"+header("Webhook-Id"))))
	}
	return marks
}
