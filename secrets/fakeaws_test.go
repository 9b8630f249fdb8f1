package secrets

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	accessKeyID = "AKIDEXAMPLE"
	region      = "eu-central-1"
)

// fakeAWS speaks GetSecretValue as AWS Secrets Manager does (its API reference),
// over TLS. It computes the signature of every request itself, from the text of
// the standard ("Create a signed AWS API request") and without the library that
// the reader uses. Where it refuses, it says all that it knows.
type fakeAWS struct {
	fakeService
	session string    // that requests must bear; "" for none
	clock   time.Time // of the service
}

func newFakeAWS(t *testing.T) *fakeAWS {
	t.Helper()
	a := &fakeAWS{clock: now()}
	a.start(t, a.serve)
	return a
}

func (a *fakeAWS) settings() AWS {
	return AWS{Region: region, Endpoint: a.URL, Roots: a.roots, AccessKeyID: accessKeyID, SecretAccessKey: canaryKey}
}

// refuse answers with an error of the JSON protocol, whose code has a name space
// in the body.
func (a *fakeAWS) refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("Date", a.clock.Format(http.TimeFormat))
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": "com.amazonaws.secretsmanager#" + code, "Message": strings.Join(canaries, " ")})
}

func (a *fakeAWS) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" || r.Header.Get("Content-Type") != "application/x-amz-json-1.1":
		a.refuse(w, 400, "UnknownOperationException")
		return
	case a.session != "" && r.Header.Get("X-Amz-Security-Token") == "":
		a.refuse(w, 400, "UnrecognizedClientException")
		return
	case a.session != r.Header.Get("X-Amz-Security-Token"):
		a.refuse(w, 400, "ExpiredTokenException")
		return
	}
	if code := a.verify(r, body); code != "" {
		a.refuse(w, 400, code)
		return
	}
	a.find(w, body)
}

func (a *fakeAWS) find(w http.ResponseWriter, body []byte) {
	var in struct{ SecretId, VersionStage string } //nolint:revive // the names of the protocol
	if err := json.Unmarshal(body, &in); err != nil {
		a.refuse(w, 400, "InvalidParameterException")
		return
	}
	found := func(member string, value any) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(map[string]any{"ARN": "arn:aws:secretsmanager:" + region + ":123456789012:secret:" + in.SecretId + "-AbCdEf", "Name": in.SecretId,
			"VersionId": "a1b2", "VersionStages": []string{"AWSCURRENT"}, "CreatedDate": 1.764e9, member: value})
	}
	if in.VersionStage == "" {
		in.VersionStage = "AWSCURRENT"
	}
	switch in.SecretId + " " + in.VersionStage {
	case "maestro AWSCURRENT", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:maestro-AbCdEf AWSCURRENT":
		found("SecretString", `{"metrics":"`+canaryValue+`","other":"second","number":7}`)
	case "maestro AWSPREVIOUS":
		found("SecretString", `{"metrics":"the older `+canaryValue+`"}`)
	case "prod/plain AWSCURRENT":
		found("SecretString", canaryValue)
	case "text-as-binary AWSCURRENT":
		found("SecretBinary", base64.StdEncoding.EncodeToString([]byte(canaryValue)))
	case "binary AWSCURRENT":
		found("SecretBinary", base64.StdEncoding.EncodeToString([]byte{0xff, 0xfe, 0}))
	case "neither AWSCURRENT":
		found("Other", canaryValue)
	case "of-others AWSCURRENT":
		a.refuse(w, 400, "AccessDeniedException")
	case "sealed AWSCURRENT":
		a.refuse(w, 400, "DecryptionFailure")
	case "deleted AWSCURRENT":
		a.refuse(w, 400, "InvalidRequestException")
	case "odd AWSCURRENT":
		a.refuse(w, 400, "ValidationException")
	default:
		a.refuse(w, 400, "ResourceNotFoundException")
	}
}

// verify computes the signature that the request must have, and returns the code
// of what is wrong with the one that it has.
func (a *fakeAWS) verify(r *http.Request, body []byte) string {
	parts := strings.Split(strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "), ", ")
	if len(parts) != 3 {
		return "IncompleteSignature"
	}
	credential := strings.Split(strings.TrimPrefix(parts[0], "Credential="), "/")
	signed := strings.Split(strings.TrimPrefix(parts[1], "SignedHeaders="), ";")
	date := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", date)
	switch {
	case err != nil || len(credential) != 5:
		return "IncompleteSignature"
	case credential[0] != accessKeyID:
		return "UnrecognizedClientException"
	case a.clock.Sub(at).Abs() > 5*time.Minute:
		return "InvalidSignatureException"
	case !slices.IsSorted(signed) || !slices.Contains(signed, "host") || !slices.Contains(signed, "x-amz-date") || !slices.Contains(signed, "x-amz-target"):
		return "IncompleteSignature"
	case a.session != "" && !slices.Contains(signed, "x-amz-security-token"):
		return "IncompleteSignature"
	}
	var headers strings.Builder
	for _, name := range signed {
		value := r.Header.Get(name)
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		headers.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	digest := sha256.Sum256(body)
	canonical := strings.Join([]string{r.Method, (&url.URL{Path: r.URL.Path}).EscapedPath(), "", headers.String(), strings.Join(signed, ";"), hex.EncodeToString(digest[:])}, "\n")
	hashed := sha256.Sum256([]byte(canonical))
	scope := strings.Join([]string{date[:8], region, "secretsmanager", "aws4_request"}, "/")
	if strings.Join(credential[1:], "/") != scope {
		return "InvalidSignatureException"
	}
	key := []byte("AWS4" + canaryKey)
	for _, part := range []string{date[:8], region, "secretsmanager", "aws4_request"} {
		key = sign(key, part)
	}
	want := hex.EncodeToString(sign(key, "AWS4-HMAC-SHA256\n"+date+"\n"+scope+"\n"+hex.EncodeToString(hashed[:])))
	if strings.TrimPrefix(parts[2], "Signature=") != want {
		return "InvalidSignatureException"
	}
	return ""
}

func sign(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
