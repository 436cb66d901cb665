package cli

import "release-forwarder/cmd/release-forwarder/cli/console"

// IdleCommand waits until it is stopped.
type IdleCommand struct{}

// Help implements kong's HelpProvider.
func (IdleCommand) Help() string {
	return `Does nothing until it is stopped. It keeps a container running, in which "kubectl exec" runs
the other commands: the image holds no shell. It needs no setting and contacts nobody.

SIGTERM or SIGINT stops it.

Exits 0.

Example:

  release-forwarder idle`
}

// Run waits for the signal.
func (IdleCommand) Run(stop console.Stopper) error {
	<-stop.Done()
	return nil
}
