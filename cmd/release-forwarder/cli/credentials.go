package cli

import (
	"fmt"
	"io"

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
		if _, err := fmt.Fprintf(w, "%s  %s  %s\n", l.Lot, shownAppID(l.AppID), sourceWords(l.Source, l.Next)); err != nil {
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

// sourceWords says where a lot's credential comes from.
func sourceWords(from credential.Source, next bool) string {
	words := map[credential.Source]string{
		credential.NoSource: "none for this lot",
		credential.OwnEntry: "the lot's entry in UPSTREAM_CREDENTIALS_FILE",
		credential.AnyEntry: "* in UPSTREAM_CREDENTIALS_FILE",
		credential.Fallback: "UPSTREAM_APP_SECRET or UPSTREAM_APP_SECRET_FILE",
	}[from]
	if next {
		words += ", two secrets"
	}
	return words
}
