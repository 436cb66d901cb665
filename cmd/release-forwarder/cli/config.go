package cli

import (
	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/telemetry/otelenv"
)

// ConfigCommand prints the settings with the values in force.
type ConfigCommand struct {
	All bool `help:"Print every setting, also with its type, default, bounds and meaning."`
}

// Help implements kong's HelpProvider.
func (ConfigCommand) Help() string {
	return `Prints the settings that differ from their defaults, and those that must be set. Below
them the others stand in short. A secret is shown as ***. Where UPSTREAM_CREDENTIALS_FILE is set, it lists the lots with
their app_ids.

On a wrong configuration it prints all it can, then one line for every wrong setting.

Exits 0 if the configuration is right; 2 if a setting is wrong.

Examples:

  release-forwarder config
  KAFKA_TOPIC=abnormal-release release-forwarder config --all`
}

// Run prints the settings.
func (c ConfigCommand) Run(out *console.Output) error {
	s, warnings, err := settings.Load()
	print := s.Print
	if c.All {
		print = s.PrintAll
	}
	if printErr := print(out); printErr != nil {
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
