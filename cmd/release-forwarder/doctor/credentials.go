package doctor

import (
	"release-forwarder/upstream"
	"release-forwarder/upstream/credential"
)

// Credentials reports which lots' requests would be signed, and with what.
func Credentials(book *credential.Set) Report {
	list := book.List(upstream.Sanitize)
	if len(list) == 0 {
		f := &findings{area: Credential, subject: "secrets"}
		f.warn("any lot", "no secret is set here; the service does not start without one", "set UPSTREAM_APP_SECRET_FILE or UPSTREAM_CREDENTIALS_FILE, or run this where they are set")
		return f.list
	}
	var report Report
	for _, l := range list {
		f := &findings{area: Credential, subject: "UPSTREAM_CREDENTIALS_FILE"}
		if l.Source == credential.Fallback {
			f.subject = "UPSTREAM_APP_SECRET"
		}
		check := "lot " + l.Lot
		if l.Lot == credential.AnyLot {
			check = "any other lot"
		}
		if len(list) == 1 && l.Lot == credential.AnyLot {
			check = "any lot"
		}
		secrets, appID := "a secret", "no app_id is sent"
		if l.Next {
			secrets = "two secrets"
		}
		if l.AppID != "" {
			appID = "app_id " + upstream.Sanitize(l.AppID)
		}
		f.ok(check, "%s; %s", secrets, appID)
		report = append(report, f.list...)
	}
	if last := list[len(list)-1]; last.Lot != credential.AnyLot {
		f := &findings{area: Credential, subject: "UPSTREAM_CREDENTIALS_FILE"}
		f.ok("any other lot", "none: its records wait")
		report = append(report, f.list...)
	}
	return report
}
