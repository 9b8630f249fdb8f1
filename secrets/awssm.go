package secrets

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"maestro/problem"
)

// AWS says how AWS Secrets Manager is reached. The credentials are these and no
// others: neither the environment's nor a metadata service's.
type AWS struct {
	Region          string // "" for none
	Endpoint        string // URL; that of the region unless set
	Roots           string // file of the authorities of its certificate (PEM); the system's unless set
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string // of temporary credentials
}

var awsRegion = regexp.MustCompile(`^[a-z]{2,}(-[a-z0-9]+)+$`)

// clockDoubt is how far apart two clocks may be for AWS to take a signature.
const clockDoubt = 5 * time.Minute

// aws is a Secrets Manager that is spoken to. Of the official client only the
// signer is used: all of it would take 1.5 MB of the program.
type aws struct {
	*endpoint
	settings AWS
	signer   *v4.Signer
	secrets  map[string]*awsSecret
}

// awsSecret is an answer to GetSecretValue.
type awsSecret struct {
	Text   *string `json:"SecretString"`
	Binary []byte  `json:"SecretBinary"`
}

func (r *Reader) openAWS() (*aws, error) {
	s := r.config.AWS
	if !awsRegion.MatchString(s.Region) {
		return nil, problem.New(problem.Malformed, "aws-region must be one such as eu-central-1")
	}
	if s.AccessKeyID == "" || s.SecretAccessKey == "" {
		return nil, problem.New(problem.Malformed, "aws-access-key-id and aws-secret-access-key are not both set")
	}
	err := errors.Join(header("aws-access-key-id", s.AccessKeyID), header("aws-secret-access-key", s.SecretAccessKey), header("aws-session-token", s.SessionToken))
	if err != nil {
		return nil, err
	}
	if s.Endpoint == "" {
		s.Endpoint = "https://secretsmanager." + s.Region + ".amazonaws.com"
		if strings.HasPrefix(s.Region, "cn-") {
			s.Endpoint += ".cn"
		}
	}
	at, err := newEndpoint("AWS Secrets Manager", "aws", "aws-endpoint", s.Endpoint, s.Roots, &r.config)
	if err != nil {
		return nil, err
	}
	return &aws{endpoint: at, settings: s, signer: v4.NewSigner(), secrets: make(map[string]*awsSecret)}, nil
}

func (r *Reader) fromAWS(ctx context.Context, ref reference) (string, error) {
	if r.aws == nil {
		opened, err := r.openAWS()
		if err != nil {
			return "", err
		}
		r.aws = opened
	}
	secret, err := r.aws.read(ctx, ref)
	if err != nil {
		return "", err
	}
	switch {
	case ref.key == "" && secret.Text != nil:
		return *secret.Text, nil
	case ref.key == "":
		return string(secret.Binary), nil
	case secret.Text == nil:
		return "", problem.New(problem.Malformed, "the secret is binary and has no keys: leave #%s away", ref.key)
	}
	var members map[string]any
	if json.Unmarshal([]byte(*secret.Text), &members) != nil {
		return "", problem.New(problem.Malformed, "the secret is no JSON object and has no keys: leave #%s away", ref.key)
	}
	return member(members, ref.key)
}

func (a *aws) read(ctx context.Context, ref reference) (*awsSecret, error) {
	name := ref.name + "?" + ref.stage
	if secret, known := a.secrets[name]; known {
		return secret, nil
	}
	body, err := json.Marshal(struct {
		Name  string `json:"SecretId"`
		Stage string `json:"VersionStage,omitempty"`
	}{ref.name, ref.stage})
	if err != nil {
		panic("secrets: encode a request: " + err.Error()) // strings always encode
	}
	secret := new(awsSecret)
	err = a.ask(ctx, func(ctx context.Context) (*http.Request, error) { return a.request(ctx, body) }, func(got *answer) error {
		if got.status != http.StatusOK {
			return a.judge(got)
		}
		*secret = awsSecret{}
		if json.Unmarshal(got.body, secret) != nil {
			return a.refuse(problem.Malformed, "answered with what is no whole JSON document")
		}
		if secret.Text == nil && secret.Binary == nil {
			return a.refuse(problem.Malformed, "answered without the value of a secret")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	a.secrets[name] = secret
	return secret, nil
}

// request makes GetSecretValue, signed (Signature Version 4) for now.
func (a *aws) request(ctx context.Context, body []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base.JoinPath("/").String(), bytes.NewReader(body))
	if err != nil {
		return nil, a.refuse(problem.Malformed, "cannot be asked at this address")
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "secretsmanager.GetSecretValue")
	sum := sha256.Sum256(body)
	credentials := awssdk.Credentials{AccessKeyID: a.settings.AccessKeyID, SecretAccessKey: a.settings.SecretAccessKey, SessionToken: a.settings.SessionToken}
	if err := a.signer.SignHTTP(ctx, credentials, r, hex.EncodeToString(sum[:]), "secretsmanager", a.settings.Region, a.config.Now().UTC()); err != nil {
		return nil, a.refuse(problem.Malformed, "cannot be asked: the request could not be signed")
	}
	return r, nil
}

// judge says what an answer means that is no secret. Its own words are not
// repeated; its code is compared with those that the service documents.
func (a *aws) judge(got *answer) error {
	switch code := awsCode(got); code {
	case "ResourceNotFoundException":
		return a.refuse(problem.NotFound, "has no such secret in %s, or no such stage of it", a.settings.Region)
	case "AccessDeniedException":
		return a.refuse(problem.Forbidden, "does not permit secretsmanager:GetSecretValue, or kms:Decrypt, to this access key")
	case "UnrecognizedClientException", "InvalidClientTokenId", "IncompleteSignature", "MissingAuthenticationTokenException":
		return a.refuse(problem.Forbidden, "does not know the access key, or its session token does not belong to it")
	case "ExpiredTokenException", "ExpiredToken":
		return a.refuse(problem.Forbidden, "refuses the session token, whose time is over")
	case "InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed":
		if server, err := http.ParseTime(got.header.Get("Date")); err == nil {
			if apart := a.config.Now().Sub(server).Round(time.Second); apart.Abs() > clockDoubt {
				return a.refuse(problem.Forbidden, "refuses the signature: this machine's clock is %s from its own", apart)
			}
		}
		return a.refuse(problem.Forbidden, "refuses the signature: aws-secret-access-key does not belong to aws-access-key-id, or aws-region is another one")
	case "DecryptionFailure":
		return a.refuse(problem.Forbidden, "cannot decrypt the secret: look at its KMS key")
	case "InvalidRequestException":
		return a.refuse(problem.NotFound, "has the secret, and it is marked for deletion or has no value yet")
	case "InvalidParameterException", "ValidationException":
		return a.refuse(problem.Malformed, "does not take the name of the secret or of its stage")
	case "ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded":
		return a.busy(got, "has had too many requests")
	case "InternalServiceError", "InternalServiceErrorException", "InternalFailure", "ServiceUnavailable":
		return a.busy(got, "failed (%d)", got.status)
	}
	switch {
	case got.status == http.StatusTooManyRequests:
		return a.busy(got, "has had too many requests")
	case got.status >= 500:
		return a.busy(got, "failed (%d)", got.status)
	}
	return a.refuse(problem.Malformed, "does not take the request (%d): look at aws-region and aws-endpoint", got.status)
}

// awsCode returns the code of a failure: of the header, or of the body, without
// the name space before it and the address behind it.
func awsCode(got *answer) string {
	code := got.header.Get("X-Amzn-Errortype")
	if code == "" {
		var body struct {
			Type string `json:"__type"`
			Code string `json:"code"`
		}
		if json.Unmarshal(got.body, &body) == nil {
			if code = body.Type; code == "" {
				code = body.Code
			}
		}
	}
	code, _, _ = strings.Cut(code, ":")
	if i := strings.LastIndexByte(code, '#'); i >= 0 {
		code = code[i+1:]
	}
	return code
}
