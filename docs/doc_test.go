// Package docs holds the documents to the code: their links, the files and checks that they name, and the words of the
// glossary. What a document says of one package is held by a test of that package.
package docs
