package settings

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"release-forwarder/upstream"
	"release-forwarder/upstream/credential"
)

// maxCredentials bounds the file of credentials: at a few hundred bytes a lot,
// more lots than any operator has.
const maxCredentials = 16 << 20

// ParseCredentials reads the credentials by lot: one JSON object
//
//	{"<park_uuid>": {"app_id": "…", "app_secret": "…", "next_app_secret": "…"}, "*": {…}}
//
// in which app_id and next_app_secret may be left out. A lot, an app_id and a secret are
// as [Text] demands. Whatever is not as it must be makes the whole
// file wrong, an unknown member too: it is a typing error, and with it a secret
// would be missing. No error repeats anything of the contents but a lot.
func ParseCredentials(contents []byte) (map[string]credential.Credential, error) {
	if len(contents) > maxCredentials {
		return nil, errors.New("the file is larger than 16 MiB; is it the right one?")
	}
	var file map[string]*lotEntry
	text, begin, err := unmarked(string(contents))
	if err != nil {
		return nil, fmt.Errorf("the file %w", err)
	}
	if err := json.Unmarshal([]byte(text), &file, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf(`the file is not %s; look at byte %d`,
			`{"<park_uuid>": {"app_id": "…", "app_secret": "…", "next_app_secret": "…"}, "*": {…}}`, int64(begin)+offset(err))
	}
	if len(file) == 0 {
		return nil, errors.New("the file names no lot; write at least one, or * for all")
	}
	credentials := make(map[string]credential.Credential, len(file))
	for _, name := range slices.Sorted(maps.Keys(file)) { // of two mistakes always the same one is reported
		lot, err := Text(name)
		_, twice := credentials[lot]
		entry := file[name]
		switch {
		case err != nil:
			return nil, fmt.Errorf("a lot's name %w", err)
		case lot == "":
			return nil, errors.New("a lot's name is blank; write its park_uuid, or * for all")
		case twice:
			return nil, fmt.Errorf("the lot %s is there twice; keep one", upstream.Sanitize(lot))
		case entry == nil:
			entry = new(lotEntry)
		}
		if credentials[lot], err = entry.taken(); err != nil {
			return nil, fmt.Errorf("the lot %s %w", shownLot(lot), err)
		}
	}
	return credentials, nil
}

// lotEntry is a lot's entry in the file.
type lotEntry struct {
	AppID  string `json:"app_id"`
	Secret string `json:"app_secret"`
	Next   string `json:"next_app_secret"`
}

// taken returns the entry as a credential.
func (c *lotEntry) taken() (credential.Credential, error) {
	texts := []string{c.AppID, c.Secret, c.Next}
	for i, member := range []string{"app_id", "app_secret", "next_app_secret"} {
		text, err := Text(texts[i])
		if err != nil {
			return credential.Credential{}, fmt.Errorf("has a wrong %s: it %w", member, err)
		}
		texts[i] = text
	}
	if texts[1] == "" {
		return credential.Credential{}, errors.New("has no app_secret; write it")
	}
	taken := credential.Credential{AppID: texts[0], Secret: NewSecret(texts[1])}
	if next := NewSecret(texts[2]); !next.Equal(taken.Secret) {
		taken.Next = next
	}
	return taken, nil
}

// shownLot is a lot as a line for the operator may name it.
func shownLot(lot string) string {
	if lot == credential.AnyLot {
		return lot
	}
	return upstream.Sanitize(lot)
}

// offset returns where in the contents the error is.
func offset(err error) int64 {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return e.ByteOffset
	}
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		return e.ByteOffset
	}
	return 0
}

// Book returns the credentials by lot, as they were when the settings were loaded.
func (c *Credential) Book() *credential.Set {
	return credential.NewSet(c.ByLot, credential.Credential{AppID: c.AppID, Secret: c.AppSecret, Next: c.NextAppSecret})
}
