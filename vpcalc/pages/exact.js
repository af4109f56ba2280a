// What vpcalc derived, TERMS, CONDITIONS and GUARDS, stands above, compiled. Here it is evaluated, in whole numbers.

const sum = numbers => numbers.reduce((all, each) => all + each, 0n);
const size = number => (number < 0n ? -number : number);

/** The values of a form's terms, and what their sum is divided by. */
function termsOf(number, at) {
  const [terms, divisor] = DATA.forms[number];
  return [terms.map(each => TERMS[each](at)), divisor === undefined ? 1n : TERMS[divisor](at)];
}

/** The value of a form. */
function valueOf(number, at) {
  const [terms, divisor] = termsOf(number, at);
  return floordiv(sum(terms), divisor);
}

/** How the terms of a form are written. */
const wordsOf = number => DATA.forms[number][0].map(each => DATA.terms[each]);

let asked = {};
/** Whether some values take the decisions of a path, each of which is looked at once. */
function takes(path, at) {
  if (asked.at !== at) asked = { at, truths: [] };
  const { truths } = asked;
  return path.every(each => (truths[Math.abs(each)] ??= GUARDS[Math.abs(each) - 1](at)) === each > 0);
}

/** In which of the domains of a model some values are: a question that is asked for each of its figures. */
function leafAt(at) {
  if (asked.at !== at || asked.leaf === undefined) {
    const leaf = DATA.leaves.findIndex(each => takes(each.path, at));
    asked.leaf = leaf;
  }
  return asked.leaf;
}

/** The case of a quantity that holds at some values, with where it does; or why there is none. */
function caseAt(law, at) {
  if (!law.at) {
    const item = law.cases.find(each => CONDITIONS[each.when](at));
    return item && { item, where: DATA.conditions[item.when], refused: item.refused };
  }
  const leaf = leafAt(at), { where, refused } = DATA.leaves[leaf] || {};
  return leaf < 0 ? undefined : { item: law.cases[law.at[leaf]], where, refused };
}

/** A quantity at some values: its terms, their sum and the case that holds; or why there is none. */
function evaluate(law, at) {
  const found = caseAt(law, at);
  if (!found) return { refused: DATA.beyond || "no form is known at these sizes" };
  if (found.refused) return found;
  const { form } = found.item;
  return { ...found, form, terms: termsOf(form, at)[0], total: valueOf(form, at) };
}

/** The same in the form that papers print where that gives the same, and whether it does. */
function shown(law, at) {
  const found = evaluate(law, at), { tidy } = law;
  if (!tidy || found.refused !== undefined) return { ...found, tidy: !tidy };
  const [terms, divisor] = termsOf(tidy.form, at), all = sum(terms);
  const own = tidy.when === undefined || CONDITIONS[tidy.when](at);
  if (!own || all % divisor !== 0n || all / divisor !== found.total) return { ...found, tidy: false, own };
  return { ...found, form: tidy.form, terms, tidy: true };
}

const UNITS = {
  count: [1000n, "", "k", "M", "G", "T", "P", "E", "Z", "Y"],
  bytes: [1024n, "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"],
};

/** Four significant digits and a prefix, rounded half up on whole numbers, as vpcalc writes it. */
function short(number, kind = "count", digits = 4) {
  const [base, ...names] = UNITS[kind];
  let prefix = 0;
  while (prefix < names.length - 1 && number >= base ** BigInt(prefix + 1)) prefix++;
  if (prefix === 0) return `${number} ${names[0]}`.trim();
  const unit = base ** BigInt(prefix);
  const rounded = decimals => (number * 10n ** BigInt(decimals) * 2n + unit) / (2n * unit);
  const overflows = decimals => rounded(decimals) >= base * 10n ** BigInt(decimals);
  let decimals = Math.max(0, digits - String(number / unit).length);
  while (decimals && String(rounded(decimals)).length > digits && !overflows(decimals)) decimals--;
  if (overflows(decimals) && prefix < names.length - 1)
    return `1${digits > 1 ? `.${"0".repeat(digits - 1)}` : ""} ${names[prefix + 1]}`;
  const text = String(rounded(decimals)), cut = text.length - decimals;
  return `${decimals ? `${text.slice(0, cut)}.${text.slice(cut)}` : text} ${names[prefix]}`;
}

const exact = number => String(number).replace(/\B(?=(\d{3})+$)/g, ",").replace("-", "−");
const share = (part, all) => (all ? Number((part * 1000000n) / all) / 1000000 : 0);
const percent = value => {
  if (value > 0 && value < 0.0005) return "<0.1 %";
  return value < 1 && value >= 0.9995 ? ">99.9 %" : `${(100 * value).toFixed(1)} %`;
};
const ratio = value => {
  const text = value.toPrecision(3);
  return value >= 1000 || value < 0.001 ? Number(text).toLocaleString("en") : text;
};

/** A form as text ("t") or LaTeX ("l"). */
function joined(form, spelling) {
  const signs = form.map((term, place) => (term.n ? (place ? " - " : "-") : place ? " + " : ""));
  return form.map((term, place) => signs[place] + term[spelling]).join("") || "0";
}
