package settings_test

import (
	"fmt"

	"release-forwarder/cmd/release-forwarder/settings"
)

func ExampleSecret() {
	secret := settings.NewSecret("hunter2")
	fmt.Println(secret, len(secret.Reveal()))
	// Output: *** 7
}

func ExampleInvalid() {
	var err error = &settings.Invalid{Settings: []settings.Wrong{
		{Name: "KAFKA_TOPIC", Text: "is required; set it"},
		{Name: "RETRY_BUDGET", Text: `"many" is not a whole number; give one from 0 to 1000000`},
	}}
	fmt.Println(err)
	// Output:
	// KAFKA_TOPIC: is required; set it
	// RETRY_BUDGET: "many" is not a whole number; give one from 0 to 1000000
}
