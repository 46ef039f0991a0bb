/**
 * The library's code as the mutations see it: its declarations by their names, and its tokens.
 *
 * White space, comments and a comma before a closing bracket are no tokens here: the formatter's
 * choices change nothing.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript-parser";

/** A word, sign or literal of the code. */
export interface Token {
  readonly text: string;
  /** Where it begins and ends in its text. */
  readonly start: number;
  readonly end: number;
  /** What it is, if it is a name that somebody has chosen; `"member"` is one after a dot. */
  readonly name?: "private" | "member" | "plain";
}

/** A part of a file. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A declaration of a file: of a function, a class, a constant or a type. */
export interface Declaration {
  readonly name: string;
  readonly file: string;
  /** More than one where it is overloaded. */
  readonly ranges: readonly Range[];
  /** Of a class. A getter and its setter share a name. */
  readonly members: ReadonlyMap<string, readonly Range[]>;
}

/** A file. */
export interface Source {
  readonly file: string;
  readonly text: string;
  readonly tokens: readonly Token[];
  readonly declarations: ReadonlyMap<string, Declaration>;
}

/** The files of the library, by their paths from the project's folder. */
export type Code = ReadonlyMap<string, Source>;

/** Reads the library's code in a folder that has the project. */
export function readCode(root: string): Code {
  const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `src/${name.replaceAll("\\", "/")}`);
  return new Map(
    files.map((file) => [file, sourceOf(file, readFileSync(join(root, file), "utf8"))]),
  );
}

/** Takes a file apart. */
export function sourceOf(file: string, text: string): Source {
  const tree = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
  const declarations = new Map<string, Declaration>();
  for (const statement of tree.statements) {
    const range = rangeOf(statement, tree);
    for (const name of namesOf(statement)) {
      const { ranges = [] } = declarations.get(name) ?? {};
      const members = ts.isClassDeclaration(statement)
        ? membersOf(statement, tree)
        : new Map<string, Range[]>();
      declarations.set(name, { name, file, ranges: [...ranges, range], members });
    }
  }
  return { file, text, tokens: tokensOf(text), declarations };
}

function rangeOf(node: ts.Node, tree: ts.SourceFile): Range {
  return { start: node.getStart(tree), end: node.end };
}

/** The names that a statement declares. */
function namesOf(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name }) => boundNames(name));
  }
  const isNamed = ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement);
  return isNamed && statement.name !== undefined ? [statement.name.text] : [];
}

function boundNames(name: ts.BindingName): string[] {
  if (ts.isIdentifier(name)) return [name.text];
  return name.elements.flatMap((element) =>
    ts.isBindingElement(element) ? boundNames(element.name) : []
  );
}

function membersOf(declaration: ts.ClassDeclaration, tree: ts.SourceFile): Map<string, Range[]> {
  const members = new Map<string, Range[]>();
  for (const member of declaration.members) {
    const name = ts.isConstructorDeclaration(member)
      ? "constructor"
      : member.name?.getText(tree) ?? "static";
    members.set(name, [...members.get(name) ?? [], rangeOf(member, tree)]);
  }
  return members;
}

/** The tokens of a text, which may begin and end in the middle of a statement. */
export function tokensOf(text: string): readonly Token[] {
  const scanner = ts.createScanner(ts.ScriptTarget.Latest, true, undefined, text);
  const tokens: Token[] = [];
  // For each brace that is open, whether it is one of a template.
  const isTemplate: boolean[] = [];
  let before = ts.SyntaxKind.Unknown;
  for (let kind = scanner.scan(); kind !== ts.SyntaxKind.EndOfFileToken; kind = scanner.scan()) {
    // The scanner takes a slash for a division and a brace for a block's, until it is told better.
    if (isSlash(kind) && !endsOperand(before)) kind = scanner.reScanSlashToken();
    if (kind === ts.SyntaxKind.OpenBraceToken) isTemplate.push(false);
    if (kind === ts.SyntaxKind.TemplateHead) isTemplate.push(true);
    if (kind === ts.SyntaxKind.CloseBraceToken && isTemplate.pop()) {
      kind = scanner.reScanTemplateToken(false);
      if (kind === ts.SyntaxKind.TemplateMiddle) isTemplate.push(true);
    }
    if (before === ts.SyntaxKind.CommaToken && isClosing(kind)) tokens.pop();
    const isAfterDot = before === ts.SyntaxKind.DotToken ||
      before === ts.SyntaxKind.QuestionDotToken;
    const name = nameOf(kind, isAfterDot);
    tokens.push({
      text: scanner.getTokenText(),
      start: scanner.getTokenStart(),
      end: scanner.getTokenEnd(),
      ...(name && { name }),
    });
    before = kind;
  }
  return tokens;
}

function nameOf(kind: ts.SyntaxKind, isAfterDot: boolean): Token["name"] {
  if (kind === ts.SyntaxKind.PrivateIdentifier) return "private";
  if (kind !== ts.SyntaxKind.Identifier) return undefined;
  return isAfterDot ? "member" : "plain";
}

function isSlash(kind: ts.SyntaxKind): boolean {
  return kind === ts.SyntaxKind.SlashToken || kind === ts.SyntaxKind.SlashEqualsToken;
}

function isClosing(kind: ts.SyntaxKind): boolean {
  return kind === ts.SyntaxKind.CloseParenToken || kind === ts.SyntaxKind.CloseBracketToken ||
    kind === ts.SyntaxKind.CloseBraceToken;
}

/** The tokens, besides names and closing brackets, that a slash divides when it follows them. */
const OPERANDS: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.PrivateIdentifier,
  ts.SyntaxKind.NumericLiteral,
  ts.SyntaxKind.BigIntLiteral,
  ts.SyntaxKind.StringLiteral,
  ts.SyntaxKind.NoSubstitutionTemplateLiteral,
  ts.SyntaxKind.TemplateTail,
  ts.SyntaxKind.ThisKeyword,
  ts.SyntaxKind.SuperKeyword,
]);

/** Whether a slash after this token divides. */
function endsOperand(kind: ts.SyntaxKind): boolean {
  return kind === ts.SyntaxKind.Identifier || isClosing(kind) || OPERANDS.has(kind);
}
