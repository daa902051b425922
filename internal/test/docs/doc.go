// Package docs tests the documentation: every page, README.md files and those below docs/ included.
//
//   - ```go: the block is part of PAGE_test.go in the folder of the page, or of a file in [code], or is a whole
//     program, which is compiled. Indentation does not count.
//   - ```sh, ```console: all blocks of a page run in one bash, in order, with what the page's entry in [setups]
//     provides. In a console block, lines with "$ " are commands, and the others their output, where "..." stands for
//     any text.
//   - Commands of development, which are those of go, git and the scripts in .ci, in blocks and in backticks: a step of
//     .ci runs the same, but for sizes, or they have a form in [small], which the test runs if -docs.development is set.
//   - ```json, ```yaml, ```ini: the block is parsed.
//   - ```text: each line is in PAGE_test.go, in the page's output, or the page is in [figures].
//   - Links, anchors, and in backticks paths and exported names: they exist.
//
// Other kinds of blocks, and indented ones, are errors.
package docs
