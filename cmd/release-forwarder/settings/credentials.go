package settings

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"release-forwarder/upstream"
)

// maxCredentials bounds the file of credentials: at a few hundred bytes a lot,
// more lots than any operator has.
const maxCredentials = 16 << 20

// ParseCredentials reads the credentials by lot: one JSON object
//
//	{"<park_uuid>": {"app_id": "…", "app_secret": "…", "next_app_secret": "…"}, "*": {…}}
//
// in which app_id and next_app_secret may be left out. Blank space around a lot, an
// app_id and a secret does not count. Whatever is not as it must be makes the whole
// file wrong, an unknown member too: it is a typing error, and with it a secret
// would be missing. No error repeats anything of the contents but a lot.
func ParseCredentials(contents []byte) (map[string]upstream.Credential, error) {
	if len(contents) > maxCredentials {
		return nil, errors.New("the file is larger than 16 MiB; is it the right one?")
	}
	var file map[string]*struct {
		AppID  string `json:"app_id"`
		Secret string `json:"app_secret"`
		Next   string `json:"next_app_secret"`
	}
	if err := json.Unmarshal(contents, &file, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf(`the file is not %s; look at byte %d`,
			`{"<park_uuid>": {"app_id": "…", "app_secret": "…", "next_app_secret": "…"}, "*": {…}}`, offset(err))
	}
	if len(file) == 0 {
		return nil, errors.New("the file names no lot; write at least one, or * for all")
	}
	credentials := make(map[string]upstream.Credential, len(file))
	for name, entry := range file {
		lot := strings.TrimSpace(name)
		_, twice := credentials[lot]
		switch {
		case lot == "":
			return nil, errors.New("a lot's name is blank; write its park_uuid, or * for all")
		case twice:
			return nil, fmt.Errorf("the lot %s is there twice; keep one", upstream.Tame(lot))
		case entry == nil || strings.TrimSpace(entry.Secret) == "":
			return nil, fmt.Errorf("the lot %s has no app_secret; write it", shownLot(lot))
		}
		c := upstream.Credential{AppID: strings.TrimSpace(entry.AppID), Secret: NewSecret(strings.TrimSpace(entry.Secret))}
		if next := NewSecret(strings.TrimSpace(entry.Next)); !next.Equal(c.Secret) {
			c.Next = next
		}
		if strings.ContainsAny(c.AppID+c.Secret.Reveal()+c.Next.Reveal(), "\r\n\x00") {
			return nil, fmt.Errorf("the lot %s has a line end in its app_id or a secret; write them in one line", shownLot(lot))
		}
		credentials[lot] = c
	}
	return credentials, nil
}

// shownLot is a lot as a line for the operator may name it.
func shownLot(lot string) string {
	if lot == upstream.AnyLot {
		return lot
	}
	return upstream.Tame(lot)
}

// offset says where in the contents the trouble is.
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
func (c *Credential) Book() *upstream.Credentials {
	return upstream.NewCredentials(c.ByLot, upstream.Credential{AppID: c.AppID, Secret: c.AppSecret, Next: c.NextAppSecret})
}
