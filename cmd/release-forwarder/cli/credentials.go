package cli

import (
	"fmt"
	"io"

	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/upstream"
	"release-forwarder/upstream/credential"
)

// printCredentials lists which lots have a credential and with which app_id, for
// people. No secret is printed.
func printCredentials(w io.Writer, c *credential.Set) error {
	if _, err := fmt.Fprintln(w, "\nCREDENTIALS\nLOT  APP_ID  FROM"); err != nil {
		return err
	}
	for _, l := range c.List(upstream.Sanitize) {
		from := session.SourceWords[l.Source]
		if l.Next {
			from += ", two secrets"
		}
		if _, err := fmt.Fprintf(w, "%s  %s  %s\n", l.Lot, shownAppID(l.AppID), from); err != nil {
			return err
		}
	}
	return nil
}

func shownAppID(appID string) string {
	if appID == "" {
		return "-"
	}
	return upstream.Sanitize(appID)
}
