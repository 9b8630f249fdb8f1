package delivery

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func hexMAC(key, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// standardHeaders signs a body in the form of Standard Webhooks.
func standardHeaders(id string, at time.Time, key, body []byte) []string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, seconds, body)
	return []string{"webhook-id", id, "webhook-timestamp", seconds, "webhook-signature", "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}
}

// Signatures of other hands than ours: GitHub's test values
// (docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries) and
// those of the libraries of Standard Webhooks
// (github.com/standard-webhooks/standard-webhooks).
func TestPublishedSignaturesHold(t *testing.T) {
	if !Verify("github", []byte("It's a Secret to Everybody"),
		headers("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"), []byte("Hello, World!"), time.Time{}) {
		t.Error("GitHub's test values do not hold")
	}
	if !Verify("generic", []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
		headers("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp", "1614265330", "webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
		[]byte(`{"test": 2432232314}`), time.Unix(1614265330, 0)) {
		t.Error("the published signature of Standard Webhooks does not hold")
	}
}

func TestSignatures(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	secret := []byte("whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	key := []byte(strings.Repeat("k", 32))
	body := []byte(`{"a":1}`)
	standard := func(change func(map[string]string), id string, at time.Time) []string {
		pairs := standardHeaders(id, at, key, body)
		values := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			values[pairs[i]] = pairs[i+1]
		}
		if change != nil {
			change(values)
		}
		var changed []string
		for name, value := range values {
			changed = append(changed, name, value)
		}
		return changed
	}
	tests := map[string]struct {
		provider string
		header   []string
		want     bool
	}{
		"github":                         {"github", []string{"X-Hub-Signature-256", "sha256=" + hexMAC(secret, body)}, true},
		"github without its prefix":      {"github", []string{"X-Hub-Signature-256", hexMAC(secret, body)}, false},
		"github with the old header":     {"github", []string{"X-Hub-Signature", "sha256=" + hexMAC(secret, body)}, false},
		"github with another key":        {"github", []string{"X-Hub-Signature-256", "sha256=" + hexMAC([]byte("other"), body)}, false},
		"github of another body":         {"github", []string{"X-Hub-Signature-256", "sha256=" + hexMAC(secret, []byte(`{"a":2}`))}, false},
		"github cut short":               {"github", []string{"X-Hub-Signature-256", "sha256=" + hexMAC(secret, body)[:32]}, false},
		"github with more behind":        {"github", []string{"X-Hub-Signature-256", "sha256=" + hexMAC(secret, body) + "00"}, false},
		"github with what is not hex":    {"github", []string{"X-Hub-Signature-256", "sha256=" + strings.Repeat("zz", 32)}, false},
		"github with nothing":            {"github", []string{"X-Hub-Signature-256", "sha256="}, false},
		"github unsigned":                {"github", nil, false},
		"gitea":                          {"gitea", []string{"X-Gitea-Signature", hexMAC(secret, body)}, true},
		"gitea signed for github":        {"gitea", []string{"X-Hub-Signature-256", "sha256=" + hexMAC(secret, body)}, false},
		"forgejo":                        {"forgejo", []string{"X-Forgejo-Signature", hexMAC(secret, body)}, true},
		"forgejo with a bad one of two":  {"forgejo", []string{"X-Forgejo-Signature", hexMAC(key, body), "X-Gitea-Signature", hexMAC(secret, body)}, false},
		"gitlab with the token":          {"gitlab", []string{"X-Gitlab-Token", string(secret)}, true},
		"gitlab with another token":      {"gitlab", []string{"X-Gitlab-Token", string(secret) + "x"}, false},
		"gitlab without":                 {"gitlab", nil, false},
		"gitlab signed":                  {"gitlab", standard(nil, "a-b", now), true},
		"gitlab signed badly, and token": {"gitlab", append(standard(nil, "a-b", now.Add(-time.Hour)), "X-Gitlab-Token", string(secret)), false},
		"generic":                        {"generic", standard(nil, "msg_1", now), true},
		"generic, the last moment":       {"generic", standard(nil, "msg_1", now.Add(-Tolerance)), true},
		"generic, too old":               {"generic", standard(nil, "msg_1", now.Add(-Tolerance-time.Second)), false},
		"generic, of the future":         {"generic", standard(nil, "msg_1", now.Add(Tolerance+time.Second)), false},
		"generic with the token":         {"generic", []string{"X-Gitlab-Token", string(secret)}, false},
		"generic, another id":            {"generic", standard(func(h map[string]string) { h["webhook-id"] = "msg_2" }, "msg_1", now), false},
		"generic, another time":          {"generic", standard(func(h map[string]string) { h["webhook-timestamp"] = strconv.FormatInt(now.Unix()+1, 10) }, "msg_1", now), false},
		"generic, no time":               {"generic", standard(func(h map[string]string) { h["webhook-timestamp"] = "" }, "msg_1", now), false},
		"generic, no id":                 {"generic", standard(nil, "", now), false},
		"generic, an ambiguous id":       {"generic", standard(nil, "msg.1", now), false},
		"generic, another version":       {"generic", standard(func(h map[string]string) { h["webhook-signature"] = "v2" + h["webhook-signature"][2:] }, "msg_1", now), false},
		"generic, a new and an old key":  {"generic", standard(func(h map[string]string) { h["webhook-signature"] = "v1,AAAA v1a,BBBB " + h["webhook-signature"] }, "msg_1", now), true},
		"another provider":               {"bitbucket", standard(nil, "msg_1", now), false},
	}
	for name, test := range tests {
		if got := Verify(test.provider, secret, headers(test.header...), body, now); got != test.want {
			t.Errorf("%s holds: %v, want %v", name, got, test.want)
		}
	}
}

// No change of a single byte of a signed body goes unnoticed.
func TestATamperedBodyNeverHolds(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	secret := []byte(strings.Repeat("s", 40))
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "body")
		all := headers(append(standardHeaders("id", now, secret, body), "X-Hub-Signature-256", "sha256="+hexMAC(secret, body),
			"X-Gitea-Signature", hexMAC(secret, body), "X-Forgejo-Signature", hexMAC(secret, body))...)
		tampered := append([]byte{}, body...)
		tampered[rapid.IntRange(0, len(body)-1).Draw(t, "at")] ^= rapid.ByteRange(1, 255).Draw(t, "by")
		for _, provider := range []string{"github", "gitea", "forgejo", "gitlab", "generic"} {
			if !Verify(provider, secret, all, body, now) || Verify(provider, secret, all, tampered, now) {
				t.Errorf("%s: the body holds %v, tampered %v", provider, Verify(provider, secret, all, body, now), Verify(provider, secret, all, tampered, now))
			}
		}
	})
}

func TestMarksAreOfWhatIsSigned(t *testing.T) {
	now := time.Now()
	one := Marks("github", headers("X-GitHub-Delivery", "1"), []byte("body"))
	two := Marks("github", headers("X-GitHub-Delivery", "2"), []byte("body"))
	if len(one) != 1 || one[0] != two[0] {
		t.Error("an id that is not signed makes another delivery of it")
	}
	if other := Marks("github", headers("X-GitHub-Delivery", "1"), []byte("other")); other[0] == one[0] {
		t.Error("another body is the same delivery")
	}
	first := Marks("generic", headers(standardHeaders("a", now, nil, nil)...), []byte("body"))
	second := Marks("generic", headers(standardHeaders("a", now, nil, nil)...), []byte("other"))
	if len(first) != 2 || first[1] != second[1] || first[0] == second[0] {
		t.Errorf("marks of one id are %x and %x", first, second)
	}
}
