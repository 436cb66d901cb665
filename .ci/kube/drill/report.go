package main

func write(root string, rows []found, typed []typed, a account) error { return nil }
