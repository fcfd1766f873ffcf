// The last line: if the server does not answer, the widget itself recognises a likely emergency and shows the numbers.
// It rather alarms once too often: no negation, no time, no subject. The server's rules decide whenever they can.

const APOSTROPHES = /[\u2018\u2019\u02bc\uff07`´]/g;

/** Lower case, full width to half width, one kind of apostrophe, no doubled blanks. */
function normalised(text) {
  return text.normalize("NFKC").toLowerCase().replace(APOSTROPHES, "'").replace(/[\u200b-\u200d\ufeff]/g, "")
    .replace(/\s+/g, " ");
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** One expression for all languages; Latin words at word edges, Chinese anywhere; an apostrophe may be missing. */
function alarmExpression(words) {
  const forms = words.map((word) => {
    const body = escaped(normalised(word)).replace(/'/g, "'?");
    return /^[a-z]/.test(body) ? `(?<![a-z])${body}(?![a-z])` : body;
  });
  return new RegExp(forms.join("|"), "u");
}

const ALARMS = Object.entries(CONFIG.alarm).map(([kind, words]) => [kind, alarmExpression(words)]);

/** "emergency", "crisis" or "": what a text may be about. An emergency comes first where it may be both. */
function likelyAlarm(text) {
  const plain = normalised(text.slice(0, MAX_TEXT_CHARS));
  return ALARMS.find(([, expression]) => expression.test(plain))?.[0] || "";
}

/** A tel: address made of digits and + only, whatever was in the number. */
const telephone = (number) => "tel:" + String(number).replace(/[^0-9+]/g, "");
