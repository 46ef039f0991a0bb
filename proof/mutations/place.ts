/**
 * Finds the place of a mutation in the library's code: by the declaration that it is in and by the
 * tokens that it replaces, whatever their file, their layout and the names that changed since.
 *
 * @module
 */
import {
  type Code,
  type Declaration,
  type Range,
  type Source,
  type Token,
  tokensOf,
} from "./code.ts";
import type { Mutation } from "./list.ts";

/** Where a mutation changes the code, and to what. */
export interface Place extends Range {
  readonly file: string;
  readonly replacement: string;
}

/** What the names of a mutation that are gone are called now. */
type Names = ReadonlyMap<string, string>;

/** Where a pattern is, and what its free names are there. */
interface Match {
  readonly range: Range;
  readonly names: Names;
}

/** What is searched for: tokens. Some names among them are free. */
interface Pattern {
  readonly tokens: readonly Token[];
  readonly isFree: (token: Token) => boolean;
}

/** What of a mutation its place depends on. */
type Wanted = Pick<Mutation, "name" | "in" | "find" | "replace">;

/** Finds the places of mutations in the library's code. */
export class Places {
  readonly #code: Code;
  readonly #known: ReadonlySet<string>;

  /** Finds in this code, where the list has these names ({@linkcode namesIn}). */
  constructor(code: Code, known: ReadonlySet<string>) {
    this.#code = code;
    this.#known = known;
  }

  /**
   * The one place of a mutation.
   *
   * @throws {Error} If there is none, or more than one.
   */
  of(mutation: Wanted): Place {
    const declaration = declarationOf(this.#code, mutation);
    const source = this.#code.get(declaration.file);
    if (source === undefined) throw new TypeError(`There is no ${declaration.file}`);
    for (const ranges of this.#areasOf(declaration, mutation)) {
      const place = this.#placeIn(source, declaration, ranges, mutation);
      if (place !== undefined) return place;
    }
    throw wrongNumber(mutation, 0);
  }

  /**
   * Where in its declaration a mutation is searched for, one after the other: in the member that it
   * names. If that is gone, in those that no mutation names, of which one has got its place, and then
   * everywhere.
   */
  #areasOf({ ranges, members }: Declaration, { in: where }: Wanted): (readonly Range[])[] {
    const [, name] = namesOf(where);
    if (name === undefined) return [ranges];
    const member = members.get(name);
    if (member !== undefined) return [member];
    const unknown = [...members].filter(([name]) => !this.#known.has(name));
    return [unknown.flatMap(([, ranges]) => ranges), ranges];
  }

  #placeIn(
    source: Source,
    declaration: Declaration,
    ranges: readonly Range[],
    mutation: Wanted,
  ): Place | undefined {
    const whole = declaration.ranges.flatMap((range) => tokensIn(source, range));
    const near = ranges.map((range) => tokensIn(source, range));
    const pattern = {
      tokens: tokensOf(mutation.find),
      isFree: freeIn(textsOf(whole), textsOf(near.flat())),
    };
    const find = (known: ReadonlySet<string>): Match[] =>
      near.flatMap((tokens) => matchesOf(tokens, pattern, known));
    const likely = find(this.#known);
    const matches = likely.length > 0 ? likely : find(NONE);
    const [match] = matches;
    if (match === undefined) return undefined;
    if (matches.length > 1) throw wrongNumber(mutation, matches.length);
    const replacement = renamed(mutation.replace, match.names);
    return { ...match.range, file: source.file, replacement };
  }
}

function wrongNumber({ name, in: where }: Wanted, times: number): Error {
  return new Error(`"${name}": what it replaces is ${times} times in ${where}: mend the list`);
}

/** The names of a declaration, of a member, and of what is declared beside it. */
function namesOf(where: string): [top: string, member: string | undefined, beside?: string] {
  const [path = "", beside] = where.split(" beside ");
  const [top = "", member] = path.split(".");
  return beside === undefined ? [top, member] : [top, member, beside];
}

/** The names that mutations mention: none of them is the new name of something else. */
export function namesIn(mutations: readonly Wanted[]): ReadonlySet<string> {
  const tokens = mutations.flatMap(({ find }) => tokensOf(find));
  const found = tokens.flatMap(({ name, text }) => name === undefined ? [] : [text]);
  return new Set([...found, ...mutations.flatMap(({ in: where }) => namesOf(where)[1] ?? [])]);
}

const NONE: ReadonlySet<string> = new Set();

/**
 * Which names of a mutation are free: those that are gone. A local name belongs to its member, since
 * another member may have one of the same.
 */
function freeIn(
  declaration: ReadonlySet<string>,
  member: ReadonlySet<string>,
): Pattern["isFree"] {
  return ({ name, text }) =>
    name !== undefined && !(name === "plain" ? member : declaration).has(text);
}

function textsOf(tokens: readonly Token[]): ReadonlySet<string> {
  return new Set(tokens.map(({ text }) => text));
}

/** The text of a file with a mutation. */
export function mutated(text: string, { start, end, replacement }: Place): string {
  return text.slice(0, start) + replacement + text.slice(end);
}

function declarationOf(code: Code, { name, in: where }: Wanted): Declaration {
  const [top, , beside] = namesOf(where);
  const found = [...code.values()]
    .filter(({ declarations }) => beside === undefined || declarations.has(beside))
    .flatMap(({ declarations }) => declarations.get(top) ?? []);
  const [declaration] = found;
  if (declaration === undefined || found.length > 1) {
    throw new Error(`"${name}": ${found.length} files declare ${where}: mend the list`);
  }
  return declaration;
}

function tokensIn({ tokens }: Source, { start, end }: Range): readonly Token[] {
  return tokens.filter((token) => token.start >= start && token.end <= end);
}

function matchesOf(
  tokens: readonly Token[],
  pattern: Pattern,
  known: ReadonlySet<string>,
): Match[] {
  const count = pattern.tokens.length;
  return tokens.flatMap((first, i) => {
    const here = tokens.slice(i, i + count);
    const last = here.at(-1);
    if (last === undefined || here.length < count) return [];
    const names = namesAt(here, pattern, known);
    return names === undefined ? [] : [{ range: { start: first.start, end: last.end }, names }];
  });
}

/** What the free names are at a place, if the pattern is there. */
function namesAt(
  here: readonly Token[],
  { tokens, isFree }: Pattern,
  known: ReadonlySet<string>,
): Names | undefined {
  const names = new Map<string, string>();
  const taken = new Set<string>();
  for (const [i, wanted] of tokens.entries()) {
    const found = here[i];
    if (found === undefined) return undefined;
    if (!isFree(wanted)) {
      if (found.text !== wanted.text) return undefined;
      continue;
    }
    const bound = names.get(wanted.text);
    if (bound !== undefined) {
      if (found.text !== bound) return undefined;
      continue;
    }
    // A dot may be in front of the first.
    const isLike = found.name === wanted.name || (i === 0 && found.name === "member");
    const isOther = isLike && !known.has(found.text) && !taken.has(found.text);
    if (!isOther) return undefined;
    names.set(wanted.text, found.text);
    taken.add(found.text);
  }
  return names;
}

/** A text in which names are what they are called now. */
function renamed(text: string, names: Names): string {
  let done = "";
  let end = 0;
  for (const token of tokensOf(text)) {
    done += text.slice(end, token.start) + (names.get(token.text) ?? token.text);
    end = token.end;
  }
  return done + text.slice(end);
}
