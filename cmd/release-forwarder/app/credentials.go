package app

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/events"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/settings/lookup"
	"release-forwarder/mapping"
	"release-forwarder/upstream"
	"release-forwarder/upstream/credential"
)

// credentials are those in force: of the settings, and of the two files that are
// reloaded when they change.
type credentials struct {
	now atomic.Pointer[credential.Set]

	mu       sync.Mutex // guards what now is made of
	settings settings.Credential
	// changed is called with the lots whose credential has changed; nil is all.
	changed func(lots []string)
}

// For returns the credential of a lot, and false where it has none.
func (c *credentials) For(lot string) (credential.Credential, bool) { return c.now.Load().For(lot) }

// change puts what one of the files holds now in force.
func (c *credentials) change(by func(*settings.Credential)) {
	c.mu.Lock()
	by(&c.settings)
	now := c.settings.Book()
	lots := now.Changes(c.now.Swap(now))
	c.mu.Unlock()
	if lots == nil || len(lots) > 0 {
		c.changed(lots)
	}
}

// credential gives what requests are signed with.
func (v *Service) credential() error {
	v.credentials = &credentials{settings: v.settings.Credential, changed: v.credentialsChanged}
	v.credentials.now.Store(v.settings.Credential.Book())
	if err := v.watchSecret(); err != nil {
		return err
	}
	return v.watchCredentials()
}

// secrets are the lines of a secret's file.
type secrets struct{ now, next settings.Secret }

func (v *Service) watchSecret() error {
	c := v.credentials
	return watch(v, "UPSTREAM_APP_SECRET_FILE", c.settings.AppSecretFile,
		func(contents []byte) (s secrets, err error) {
			s.now, s.next, err = settings.ParseSecrets(contents)
			return s, err
		},
		func(s secrets) {
			c.change(func(in *settings.Credential) { in.AppSecret, in.NextAppSecret = s.now, s.next })
		})
}

func (v *Service) watchCredentials() error {
	c := v.credentials
	return watch(v, "UPSTREAM_CREDENTIALS_FILE", c.settings.CredentialsFile, settings.ParseCredentials,
		func(byLot map[string]credential.Credential) {
			c.change(func(in *settings.Credential) { in.ByLot = byLot })
		})
}

// watch loads the file that a setting names, and reloads it when it changes; an
// empty name is no file.
func watch[T any](v *Service, setting, name string, parse func([]byte) (T, error), use func(T)) error {
	if name == "" {
		return nil
	}
	file, err := connect.Watch(connect.WatchConfig[T]{
		Files: []string{name}, Settings: []string{setting},
		Parse:   func(contents [][]byte) (T, error) { return parse(contents[0]) },
		Changed: use, Failed: v.telemetry.Instruments.ReloadFailure, Taken: v.telemetry.Instruments.Reloaded, Logger: v.Log,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", setting, err)
	}
	use(file.Get()) // it may have changed since the settings were read
	v.watched = append(v.watched, file.Run)
	return nil
}

// watchLookups reloads the lookup files of the mapping file.
func (v *Service) watchLookups() error {
	for name := range v.settings.Event.Lookups {
		err := watch(v, "MAPPING_FILE", v.settings.Event.LookupFile(name), lookup.Parse,
			func(l mapping.Lookup) { v.forwarder.Lookup(name, l) })
		if err != nil {
			return err
		}
	}
	return nil
}

// credentialsChanged lets lots that were refused try at once: the change may
// have fixed the cause.
func (v *Service) credentialsChanged(lots []string) {
	attrs := []slog.Attr{slog.Bool("all", lots == nil), slog.Int("lots", len(lots))}
	if len(lots) > 0 {
		attrs = append(attrs, slog.String("first", upstream.Sanitize(lots[0])))
	}
	events.CredentialsChanged.Log(v.Log, attrs...)
	if v.forwarder != nil { // nil while the service is being put together
		v.forwarder.TryLots(lots)
	}
}

// secretSwitched logs that the platform has accepted the other of two secrets.
func (v *Service) secretSwitched(lot string, next bool) {
	which := "the first"
	if next {
		which = "the next"
	}
	events.SecretSwitched.Log(v.Log,
		slog.String("lot", upstream.Sanitize(lot)), slog.String("secret", which))
}
