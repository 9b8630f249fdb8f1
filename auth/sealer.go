package auth

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"maestro/tenancy"
)

// Sealer encrypts what must be stored so that it can be read again, where a hash
// would not do. It works with a keyset (AES-256-GCM) that is kept beside the
// signing keys, itself encrypted by a key of the installation's secret: so a copy
// of the database, or of it and the keyset, shows nothing. Every value says by
// which key of the keyset it was sealed.
type Sealer struct{ aead tink.AEAD }

// Place is where a sealed value belongs. It opens there and nowhere else: a value
// that was copied to another row, column or tenant does not.
type Place struct {
	Table, Column string
	Tenant, ID    tenancy.ID
}

const (
	sealingFile    = "sealing.json"
	sealingPurpose = "sealing keyset"
)

// openSealer opens the keyset beside the ring's keys and makes it when it is
// missing.
func openSealer(r *KeyRing) (*Sealer, error) {
	handle, err := readKeyset(r)
	if errors.Is(err, fs.ErrNotExist) {
		handle, err = makeKeyset(r)
	}
	if err != nil {
		return nil, err
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("sealing keys: %s: %w", sealingFile, err)
	}
	return &Sealer{primitive}, nil
}

// wrapping is the key that the keyset is encrypted by.
func wrapping(r *KeyRing) (tink.AEAD, error) {
	key := r.Derive(sealingPurpose)
	wrap, err := subtle.NewAESGCM(key[:])
	if err != nil {
		return nil, fmt.Errorf("sealing keys: %w", err)
	}
	return wrap, nil
}

// readKeyset reads the keyset beside the ring's keys. It fails with fs.ErrNotExist
// when there is none.
func readKeyset(r *KeyRing) (*keyset.Handle, error) {
	wrap, err := wrapping(r)
	if err != nil {
		return nil, err
	}
	content, err := readSecret(r.dir, sealingFile)
	if err != nil {
		return nil, fmt.Errorf("sealing keys: %s: %w", sealingFile, err)
	}
	handle, err := keyset.ReadWithAssociatedData(keyset.NewJSONReader(bytes.NewReader(content)), wrap, []byte(sealingPurpose))
	if err != nil {
		return nil, &SecretError{"keys/" + sealingFile, "does not open with this installation's secret: it is damaged, or root-secret (or keys/" + secretFile + ") is not the one that it was made with"}
	}
	return handle, nil
}

func makeKeyset(r *KeyRing) (*keyset.Handle, error) {
	wrap, err := wrapping(r)
	if err != nil {
		return nil, err
	}
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("sealing keys: %w", err)
	}
	var content bytes.Buffer
	if err := handle.WriteWithAssociatedData(keyset.NewJSONWriter(&content), wrap, []byte(sealingPurpose)); err != nil {
		return nil, fmt.Errorf("sealing keys: %w", err)
	}
	return handle, writeSecret(r.dir, sealingFile, content.Bytes())
}

// Seal encrypts a value for its place.
func (s *Sealer) Seal(value []byte, at Place) ([]byte, error) {
	sealed, err := s.aead.Encrypt(value, at.bytes())
	if err != nil {
		return nil, fmt.Errorf("seal %s.%s: %w", at.Table, at.Column, err)
	}
	return sealed, nil
}

// Open decrypts a value that was sealed for the place.
func (s *Sealer) Open(sealed []byte, at Place) ([]byte, error) {
	value, err := s.aead.Decrypt(sealed, at.bytes())
	if err != nil {
		return nil, fmt.Errorf("open %s.%s: %w", at.Table, at.Column, err)
	}
	return value, nil
}

// bytes writes the place so that no two places are written alike: names with
// their lengths, ids of one length.
func (p Place) bytes() []byte {
	var b []byte
	for _, name := range []string{p.Table, p.Column} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(name))), name...)
	}
	return append(append(b, p.Tenant[:]...), p.ID[:]...)
}
