package app

import "time"

// The next three do what a changed file, a closed circuit and an assignment do.

func (v *Service) ChangeCredentials(lots []string)     { v.credentialsChanged(lots) }
func (v *Service) CloseCircuit(after time.Duration)    { v.circuitClosed(after) }
func (v *Service) ShareRate(owned, all map[string]int) { v.shareRate(owned, all) }
