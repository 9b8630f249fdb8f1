package server

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"

	"maestro/problem"
)

// announcedHashes returns every SHA-256, in hexadecimal, that the request's
// Content-Digest and Repr-Digest say the body has (RFC 9530). Other algorithms
// are passed over, as that lets a recipient do.
func announcedHashes(h http.Header) (hashes []string, err error) {
	var checks problem.Checks
	for _, name := range []string{"Content-Digest", "Repr-Digest"} {
		hash, ok := sha256Digest(strings.Join(h.Values(name), ","))
		checks.Require(ok, "header."+strings.ToLower(name), "must be a list of digests such as sha-256=:base64:")
		if hash != "" {
			hashes = append(hashes, hash)
		}
	}
	return hashes, checks.Err()
}

// sha256Digest finds the SHA-256 in a dictionary of byte sequences (RFC 8941),
// or "". The last member of a name counts.
func sha256Digest(dictionary string) (hash string, ok bool) {
	if strings.TrimSpace(dictionary) == "" {
		return "", true
	}
	for member := range strings.SplitSeq(dictionary, ",") {
		name, value, found := strings.Cut(strings.TrimSpace(member), "=")
		value, _, _ = strings.Cut(value, ";") // its parameters
		value = strings.TrimSpace(value)
		if !found || len(value) < 2 || value[0] != ':' || value[len(value)-1] != ':' {
			return "", false
		}
		digest, err := base64.StdEncoding.Strict().DecodeString(value[1 : len(value)-1])
		if err != nil {
			return "", false
		}
		if name == "sha-256" {
			if len(digest) != 32 {
				return "", false
			}
			hash = hex.EncodeToString(digest)
		}
	}
	return hash, true
}

// digestHeader is a SHA-256, given in hexadecimal, as Content-Digest and
// Repr-Digest carry it.
func digestHeader(hash string) string {
	digest, err := hex.DecodeString(hash)
	if err != nil {
		panic("server: " + err.Error()) // the store's hashes are hexadecimal
	}
	return "sha-256=:" + base64.StdEncoding.EncodeToString(digest) + ":"
}
