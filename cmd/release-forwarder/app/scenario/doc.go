// Package scenario has the tests of the whole service in virtual time, one file for each kind of trouble: outages,
// refused lots, poison, members that come and go, topics that are recreated or truncated, rights that are missing,
// bounds that are reached. app/apptest is their world; app/simulation draws such troubles at random, all at once.
package scenario
