package cli

import (
	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/telemetry/otelenv"
)

// ConfigCommand prints every setting with the value in force.
type ConfigCommand struct{}

// Help implements kong's HelpProvider.
func (ConfigCommand) Help() string {
	return `Prints every setting with its type, default, bounds, meaning and the value in force,
secrets redacted, and the lots of UPSTREAM_CREDENTIALS_FILE with their app_ids. On a wrong configuration it prints all it can, then one line
for every wrong setting, and exits 2.

Example:

  KAFKA_TOPIC=abnormal-release release-forwarder config`
}

// Run prints the settings.
func (ConfigCommand) Run(out *console.Output) error {
	s, warnings, err := settings.Load()
	if printErr := s.Print(out); printErr != nil {
		return printErr
	}
	if s.Credential.CredentialsFile != "" && s.Credential.ByLot != nil {
		if printErr := printCredentials(out, s.Credential.Book()); printErr != nil {
			return printErr
		}
	}
	for _, w := range warnings {
		out.Warn(w.String())
	}
	for _, w := range otelenv.Check() {
		out.Warn(w)
	}
	return err
}
