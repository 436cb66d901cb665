// Package docs holds all documents to the code: console blocks are run, names and links resolve, twins say the same,
// sentences are short, and the words are those of the glossary. Command lines are held where the model of the command is
// (TestCommandLinesOfThePagesAreTaken). What one document says of a package is held by a test of that package.
package docs
